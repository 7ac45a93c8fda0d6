/** What comes at once is looked at once. */
const togetherMs = 200;
const afterTroubleMs = 3_000;

/**
 * Looks now, again after as long as the look says (milliseconds), and soon after each call of what it returns. One look at
 * a time, and none while nobody sees the page.
 */
export function repeat(look, { signal, onProblem }) {
  let timer = 0;
  let looking = false;
  let asked = false;
  const after = ms => {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(turn, ms);
  };
  const turn = async () => {
    looking = true;
    asked = false;
    let waitMs = afterTroubleMs;
    try {
      if (!document.hidden) waitMs = await look();
      onProblem(null);
    } catch (error) {
      if (!signal.aborted) onProblem(error);
    }
    looking = false;
    after(asked ? togetherMs : waitMs);
  };
  const soon = () => {
    asked = true;
    if (!looking) after(togetherMs);
  };
  document.addEventListener('visibilitychange', soon, { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  turn();
  return soon;
}
