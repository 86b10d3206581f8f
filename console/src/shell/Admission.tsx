import { type ReactNode, useState } from "react";
import { Awaited } from "../parts/Awaited";
import { Dialog } from "../parts/Dialog";
import { AskForKey } from "./AskForKey";
import styles from "./AskForKey.module.css";
import type { Server } from "./server";

const TITLE = "An API key is needed";

interface AdmissionProps {
  server: Server;
  children: ReactNode;
}

/**
 * Shows a screen to those whom the server admits, and asks all others for a key.
 *
 * A key may be revoked later. Then the screen stays as it is while another key is asked for, so
 * that nothing is lost that was written there.
 */
export function Admission({ server, children }: AdmissionProps) {
  const { isOpen, isAsked, needsKey, hasKey } = server;
  const [wasOpen, setWasOpen] = useState(false);
  const isInside = (isOpen || wasOpen) && (hasKey || !needsKey);
  if (wasOpen !== isInside) setWasOpen(isInside);

  if (isInside) {
    return (
      <>
        {children}
        {needsKey && (
          <Dialog isOpen title={TITLE}>
            <AskForKey wasRefused />
          </Dialog>
        )}
      </>
    );
  }
  if (needsKey) {
    return (
      <section className={styles.alone}>
        <h1>{TITLE}</h1>
        <AskForKey wasRefused={hasKey} />
      </section>
    );
  }
  return isAsked ? <Awaited query={server.asking} /> : children;
}
