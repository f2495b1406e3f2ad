// Keeps the parts of a page that are marked with data-live up to date while somebody sees the page. Each time it asks for
// the page as it is without this script. The server does not count that as a use of the session.
"use strict";
(() => {
  const PERIOD = 5000;
  const LONGEST = 60000;
  const line = document.getElementById("live");
  const [status, button] = [line.querySelector("span"), line.querySelector("button")];
  const running = status.textContent;
  let [timer, wait, isPaused, isOver] = [null, PERIOD, false, false];

  const say = (text) => {
    if (status.textContent !== text) {
      status.textContent = text;
    }
  };

  const end = (text) => {
    isOver = true;
    button.hidden = true;
    say(text);
  };

  // A part in which somebody has the focus stays as it is: what they are about to press must not move.
  const replace = (before, after) => {
    const isUsed = before.contains(document.activeElement) && !document.activeElement.classList.contains("scroll");
    if (!isUsed && before.innerHTML !== after.innerHTML) {
      before.replaceChildren(...after.childNodes);
    }
  };

  const take = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const before of document.querySelectorAll("[data-live]")) {
      const after = page.querySelector(`[data-live="${before.dataset.live}"]`);
      if (after) {
        replace(before, document.adoptNode(after));
      }
    }
  };

  const look = async () => {
    const answer = await fetch(location.href, {headers: {"Registrar-Refresh": "true"}, redirect: "error"});
    if (answer.status === 401 || answer.status === 403) {
      end("Not updated any more: your session has ended, or you lack a scope. Load the page again.");
    } else if (answer.ok) {
      take(await answer.text());
      wait = PERIOD;
      say(running);
    } else {
      throw new Error(`status ${answer.status}`);
    }
  };

  const next = () => {
    clearTimeout(timer);
    if (!isOver && !isPaused && !document.hidden) {
      timer = setTimeout(turn, wait);
    }
  };

  const turn = async () => {
    try {
      await look();
    } catch {
      wait = Math.min(wait * 2, LONGEST);
      say("Not updated: the server does not answer. The page tries again.");
    }
    next();
  };

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden && !isOver && !isPaused) {
      turn();
    }
  });

  button.addEventListener("click", () => {
    isPaused = !isPaused;
    button.textContent = isPaused ? "Resume" : "Pause";
    say(isPaused ? "Paused." : running);
    next();
  });

  line.hidden = false;
  next();
})();
