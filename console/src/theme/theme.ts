/** Which theme the page has: the system's, unless the user chose one. */

import { forget, store, stored } from "../api/storage";

const NAME = "everruns.theme";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** Return the theme that the user chose. */
export function chosenTheme(): Theme {
  const chosen = stored("browser", NAME);
  return THEMES.find((theme) => theme === chosen) ?? "system";
}

/** Keep and show a theme. */
export function chooseTheme(theme: Theme): void {
  if (theme === "system") forget("browser", NAME);
  else store("browser", NAME, theme);
  applyTheme();
}

/** Show the theme that was chosen. */
export function applyTheme(): void {
  const theme = chosenTheme();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
