use super::*;

const LIMIT: Duration = Duration::from_secs(10);
const PATIENCE: Patience = Patience {
    head: LIMIT,
    open: Duration::from_secs(20),
    answer: Duration::from_secs(20),
};

fn connection(room: &Arc<Room>) -> Arc<Connection> {
    Connection::new(room, IpAddr::from([192, 0, 2, 1]))
}

/// Returns how long the connection is tolerated.
async fn life(connection: &Connection) -> Duration {
    let begun = Instant::now();
    connection.lapsed(PATIENCE).await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn only_an_idle_connection_is_closed_for_others_or_times_out() {
    let room = Arc::new(Room::default());
    let one = connection(&room);
    assert_eq!(room.len(), 1);
    let (first, second) = (one.open(), one.open());
    assert!(room.is_empty() && !room.dismiss_oldest());
    assert!(
        tokio::time::timeout(LIMIT * 9, one.lapsed(PATIENCE))
            .await
            .is_err(),
        "it is at work"
    );
    let waiting = (one.wait(), one.wait());
    assert_eq!(room.len(), 1);
    assert!(
        tokio::time::timeout(LIMIT * 2, one.lapsed(PATIENCE))
            .await
            .is_err(),
        "bodies take longer"
    );
    drop(waiting);
    assert!(room.is_empty());
    first.answered();
    assert!(room.is_empty());
    second.answered();
    assert!((LIMIT..LIMIT * 2).contains(&life(&one).await));
    assert!(room.dismiss_oldest());
    one.dismissed().await;
}

#[tokio::test(start_paused = true)]
async fn an_unread_answer_is_not_activity() {
    let one = connection(&Arc::default());
    let asking = async {
        // Each request comes in time and is answered at once, and its answer is thrown away.
        loop {
            let out = one.open().out();
            tokio::time::sleep(LIMIT / 2).await;
            drop(out);
        }
    };
    tokio::select! {
        life = life(&one) => assert!(life <= LIMIT * 4, "{life:?}"),
        () = asking => {}
    }
}

#[tokio::test(start_paused = true)]
async fn one_answer_that_is_never_read_ends_an_active_connection() {
    let one = connection(&Arc::default());
    let _out = one.open().out();
    let living = async {
        loop {
            tokio::time::sleep(LIMIT / 2).await;
            one.touch();
        }
    };
    tokio::select! {
        life = life(&one) => assert!((LIMIT * 2..LIMIT * 4).contains(&life), "{life:?}"),
        () = living => {}
    }
}

#[test]
fn a_request_alone_does_not_renew_a_connection() {
    let room = Arc::new(Room::default());
    let (silent, other) = (connection(&room), connection(&room));
    drop(silent.open().out());
    assert!(room.dismiss_oldest());
    assert!(silent.dismissed.is_cancelled() && !other.dismissed.is_cancelled());
    let (alive, other) = (connection(&room), connection(&room));
    alive.open().answered();
    assert!(room.dismiss_oldest() && room.dismiss_oldest());
    assert!(!alive.dismissed.is_cancelled() && other.dismissed.is_cancelled());
}
