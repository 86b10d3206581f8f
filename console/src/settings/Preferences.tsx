import { useState } from "react";
import { Choice } from "../parts/Choice";
import { chooseEnterSends, useEnterSends } from "../parts/enterSends";
import { Toggle } from "../parts/form/Toggle";
import { withCommand } from "../parts/platform";
import { chooseTheme, chosenTheme, type Theme } from "../theme/theme";
import styles from "./Settings.module.css";

const THEME_NAMES: Record<Theme, string> = { system: "System", light: "Light", dark: "Dark" };

/** What this browser remembers of how its user likes it. */
export function Preferences() {
  const [theme, setTheme] = useState(chosenTheme);
  const enterSends = useEnterSends();
  return (
    <section className={styles.section}>
      <h2>This browser</h2>
      <div className={styles.preference}>
        <span>Theme</span>
        <Choice
          label="Theme"
          options={THEME_NAMES}
          value={theme}
          onChange={(chosen) => {
            chooseTheme(chosen);
            setTheme(chosen);
          }}
        />
      </div>
      <Toggle
        label="Enter sends a message"
        hint={
          enterSends
            ? "Shift+Enter begins a new line."
            : `Enter begins a new line; ${withCommand("Enter")} sends.`
        }
        isOn={enterSends}
        onChange={chooseEnterSends}
      />
    </section>
  );
}
