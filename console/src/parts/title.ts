/** The title of the page in the browser's tab and history. */

import { useEffect } from "react";

/** Give the page a title while a component is shown. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Everruns`;
  }, [title]);
}
