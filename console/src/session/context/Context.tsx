import { useState } from "react";
import { Curl } from "../../parts/Curl";
import { State } from "../../parts/State";
import styles from "./Context.module.css";
import { Messages } from "./Messages";
import { Prompts } from "./Prompts";
import { useModelContext } from "./queries";
import { Room } from "./Room";
import { Tools } from "./Tools";

/** What the session's model would be shown at its next call, and what takes how many tokens. */
export function Context({ sessionId }: { sessionId: string }) {
  const [offset, setOffset] = useState<number | null>(null);
  const context = useModelContext(sessionId, offset);
  return (
    <State query={context} rows={10}>
      {(shown) => (
        <div className={styles.context}>
          <Room context={shown} />
          <Prompts prompts={shown.prompts} />
          <Tools tools={shown.tools} />
          <Messages page={shown.messages} onMove={setOffset} />
          <Curl path={`/v1/sessions/${sessionId}/context`} />
        </div>
      )}
    </State>
  );
}
