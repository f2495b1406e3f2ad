//! A plot of what was done and refused in each period, as SVG: bars upon each other, with the times below them.

use jiff::Timestamp as Moment;

/// The width of the plot, in its own units.
const WIDTH: u32 = 960;
/// The height of the tallest bar.
const TALLEST: u32 = 180;
/// The space above the bars.
const ABOVE: u32 = 10;
/// The space for the times below the bars.
const BELOW: u32 = 40;

/// A plot.
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// What the two parts of a bar are.
    pub(super) names: (&'static str, &'static str),
    /// The beginning of each period in seconds since 1970, and the two numbers.
    pub(super) periods: Vec<(u64, u64, u64)>,
}

/// A part of a bar.
pub(super) struct Bar {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) class: &'static str,
    pub(super) title: String,
}

/// A time below the bars.
pub(super) struct Label {
    pub(super) x: u32,
    pub(super) text: String,
    pub(super) anchor: &'static str,
}

impl Chart {
    /// Its width.
    pub(super) const WIDTH: u32 = WIDTH;
    /// Its height.
    pub(super) const HEIGHT: u32 = ABOVE + TALLEST + BELOW;
    /// The line that the bars stand on.
    pub(super) const BASE: u32 = ABOVE + TALLEST;
    /// The line that the times stand on.
    pub(super) const LABEL_LINE: u32 = ABOVE + TALLEST + 30;

    /// The number that the tallest bar stands for.
    pub(super) fn most(&self) -> u64 {
        let sums = self.periods.iter();
        let sums = sums.map(|(_, done, refused)| done.saturating_add(*refused));
        sums.max().unwrap_or(0)
    }

    /// The plot in words.
    pub(super) fn summary(&self) -> String {
        let done: u64 = self.periods.iter().map(|(_, done, _)| done).sum();
        let refused: u64 = self.periods.iter().map(|(_, _, refused)| refused).sum();
        let (title, (one, other)) = (self.title, self.names);
        format!("{title}: {one} {done}, {other} {refused}")
    }

    pub(super) fn bars(&self) -> Vec<Bar> {
        let most = self.most().max(1);
        let mut bars = Vec::new();
        for (at, &(from, done, refused)) in self.periods.iter().enumerate() {
            let (x, width) = self.column(at);
            let mut y = Self::BASE;
            for (count, class, name) in [
                (done, "done", self.names.0),
                (refused, "refused", self.names.1),
            ] {
                let height = scaled(count, most);
                y = y.saturating_sub(height);
                if height > 0 {
                    let title = format!("{}: {count} {name}", day(from));
                    bars.push(Bar {
                        x,
                        y,
                        width,
                        height,
                        class,
                        title,
                    });
                }
            }
        }
        bars
    }

    /// Returns where the bar of a period begins, and how wide it is.
    fn column(&self, at: usize) -> (u32, u32) {
        let (at, all) = (to_u32(at), to_u32(self.periods.len()).max(1));
        let step = WIDTH / all;
        (at * step + step / 8, (step - step / 4).max(1))
    }

    /// The first, the middle and the last time.
    pub(super) fn labels(&self) -> Vec<Label> {
        let last = self.periods.len().saturating_sub(1);
        let all = [
            (0, "start", 0),
            (last / 2, "middle", WIDTH / 2),
            (last, "end", WIDTH),
        ];
        let found = all.into_iter().filter_map(|(at, anchor, x)| {
            let (from, ..) = self.periods.get(at)?;
            let text = day(*from);
            Some(Label { x, text, anchor })
        });
        found.collect()
    }
}

/// The height of `count` where `most` is the tallest. What is there is seen.
fn scaled(count: u64, most: u64) -> u32 {
    let height = u64::from(TALLEST).saturating_mul(count) / most.max(1);
    let height = u32::try_from(height).unwrap_or(TALLEST);
    if count > 0 { height.max(2) } else { 0 }
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Returns the day that `seconds` after 1970 are in.
fn day(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().map(Moment::from_second);
    match moment {
        Some(Ok(moment)) => moment.to_string().chars().take(10).collect(),
        _ => seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_tall_as_their_numbers_and_stand_upon_each_other() {
        let chart = Chart {
            title: "Registrations",
            names: ("registered", "refused"),
            periods: vec![(0, 3, 1), (86_400, 0, 0), (172_800, 1_000, 0)],
        };
        let bars = chart.bars();
        let shape: Vec<(u32, u32, &str)> = bars
            .iter()
            .map(|bar| (bar.y, bar.height, bar.class))
            .collect();
        assert_eq!(
            shape,
            [(188, 2, "done"), (186, 2, "refused"), (10, 180, "done")]
        );
        assert_eq!(bars[0].title, "1970-01-01: 3 registered");
        assert_eq!(chart.summary(), "Registrations: registered 1003, refused 1");
        let labels: Vec<String> = chart.labels().into_iter().map(|label| label.text).collect();
        assert_eq!(labels, ["1970-01-01", "1970-01-02", "1970-01-03"]);
    }

    #[test]
    fn nothing_is_plotted_of_nothing() {
        let chart = Chart {
            title: "x",
            names: ("a", "b"),
            periods: Vec::new(),
        };
        assert!(chart.bars().is_empty() && chart.labels().is_empty());
    }
}
