/** Keeps the end of the conversation in view, or else the place of its reader. */

import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { AT_END, arrived, held, type Place, scrolled, type Viewport } from "./place";

interface End {
  place: Place;
  /** Go to the end and stay there. */
  goToEnd: () => void;
  /** Stay where the reader is, although the end moves away. */
  hold: () => void;
}

/**
 * Keep the end of the page in view while the reader is there.
 *
 * @param count - How many things have come at the end since the conversation was opened.
 * @param firstSequence - With what the loaded part begins: when it becomes smaller, something was
 *   put before what is seen, which must stay where it is.
 */
export function useEnd(count: number, firstSequence: number): End {
  const [place, setPlace] = useState(AT_END);
  const current = useRef(place);
  const before = useRef<Viewport>(viewport());

  const change = useCallback((changed: (place: Place) => Place) => {
    const next = changed(current.current);
    if (next === current.current) return;
    current.current = next;
    setPlace(next);
  }, []);

  useEffect(() => {
    const onScroll = () => {
      const now = viewport();
      const seen = before.current;
      before.current = now;
      change((place) => scrolled(place, seen, now));
    };
    window.addEventListener("scroll", onScroll, { passive: true });
    return () => window.removeEventListener("scroll", onScroll);
  }, [change]);

  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (current.current.sticks) scrollToEnd();
      before.current = viewport();
    });
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);

  const countBefore = useRef(count);
  useLayoutEffect(() => {
    const came = count - countBefore.current;
    countBefore.current = count;
    change((place) => arrived(place, came));
  }, [count, change]);

  const firstBefore = useRef(firstSequence);
  useLayoutEffect(() => {
    const grewUpward = firstBefore.current > firstSequence && firstSequence > 0;
    firstBefore.current = firstSequence;
    if (!grewUpward || current.current.sticks) return;
    // Nothing was put below, so what is seen is as far from the end as it was.
    const { contentHeight, top } = before.current;
    scrollTo(viewport().contentHeight - (contentHeight - top));
    before.current = viewport();
  }, [firstSequence]);

  return useMemo(
    () => ({
      place,
      goToEnd: () => {
        change(() => AT_END);
        scrollToEnd();
      },
      hold: () => change(held),
    }),
    [place, change],
  );
}

function viewport(): Viewport {
  const { scrollTop, clientHeight, scrollHeight } = document.documentElement;
  return { top: scrollTop, height: clientHeight, contentHeight: scrollHeight };
}

function scrollToEnd(): void {
  scrollTo(document.documentElement.scrollHeight);
}

function scrollTo(top: number): void {
  window.scrollTo({ top, behavior: "instant" });
}
