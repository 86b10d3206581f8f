import { type ReactNode, useLayoutEffect, useRef } from "react";

/**
 * What somebody is to do about a call.
 *
 * When it is done and goes, the focus that was in it goes on to the next request, or to its call.
 */
export function Request({ children }: { children: ReactNode }) {
  const request = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const mine = request.current;
    return () => {
      if (mine === null || !mine.contains(document.activeElement)) return;
      const others = [...document.querySelectorAll("[data-request]")];
      const next = others.find((other) => other !== mine && !isBefore(other, mine));
      const target = next?.querySelector("[tabindex], input, textarea") ?? mine.closest("article");
      if (target instanceof HTMLElement) target.focus();
    };
  }, []);
  return (
    <div ref={request} data-request>
      {children}
    </div>
  );
}

function isBefore(one: Element, other: Element): boolean {
  return (one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
}
