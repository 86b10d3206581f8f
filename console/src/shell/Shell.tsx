import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from "react";
import { withCommand } from "../parts/platform";
import { About } from "./About";
import { Admission } from "./Admission";
import { Icon } from "./icons";
import { Places, Waiting } from "./Places";
import styles from "./Shell.module.css";
import { useServer } from "./server";
import tool from "./tool.module.css";
import { useKeys } from "./useKeys";
import { useWaitingCount } from "./waiting";

const Palette = lazy(() => import("./Palette").then(({ Palette }) => ({ default: Palette })));
const Keys = lazy(() => import("./Keys").then(({ Keys }) => ({ default: Keys })));
const Menu = lazy(() => import("./Menu").then(({ Menu }) => ({ default: Menu })));

/** The frame of every screen: where one can go, and the screen itself. */
export function Shell() {
  const server = useServer();
  const waiting = useWaitingCount(server.isOpen);
  const main = useRef<HTMLElement>(null);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [opened, setOpened] = useState<"palette" | "keys" | "menu">();
  const openPalette = useCallback(() => setOpened("palette"), []);
  const openKeys = useCallback(() => setOpened("keys"), []);
  const close = useCallback(() => setOpened(undefined), []);
  useKeys(openPalette, openKeys);

  // Screen readers should begin at the top of the new screen.
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the path that changes the screen.
  useEffect(() => {
    main.current?.focus({ preventScroll: true });
  }, [path]);

  return (
    <>
      <div className={styles.frame}>
        <a className={styles.skip} href="#main">
          Skip to content
        </a>
        <header className={styles.bar}>
          <button
            type="button"
            className={tool.tool}
            aria-label="Menu"
            onClick={() => setOpened("menu")}
          >
            <Icon name="menu" />
          </button>
          <Name />
          {waiting > 0 && (
            <Link to="/sessions" search={{ waiting: "true" }} className={styles.waits}>
              <Waiting count={waiting} />
            </Link>
          )}
          <button type="button" className={tool.tool} aria-label="Search" onClick={openPalette}>
            <Icon name="search" />
          </button>
        </header>
        <nav className={styles.side} aria-label="Console">
          <Name />
          <button type="button" className={styles.search} onClick={openPalette}>
            <Icon name="search" />
            Search
            <kbd>{withCommand("K")}</kbd>
          </button>
          <Places waiting={waiting} hasLimits={server.hasLimits} />
          <About server={server} onKeys={openKeys} />
        </nav>
        <main id="main" ref={main} tabIndex={-1} className={styles.main}>
          <Admission server={server}>
            <Outlet />
          </Admission>
        </main>
      </div>
      <Suspense>
        {opened === "palette" && (
          <Palette hasLimits={server.hasLimits} onClose={close} onKeys={openKeys} />
        )}
        {opened === "keys" && <Keys onClose={close} />}
        {opened === "menu" && (
          <Menu waiting={waiting} server={server} onClose={close} onKeys={openKeys} />
        )}
      </Suspense>
    </>
  );
}

function Name() {
  return (
    <Link to="/" className={styles.name}>
      <img src="/icon.svg" alt="" width="18" height="18" />
      Everruns
    </Link>
  );
}
