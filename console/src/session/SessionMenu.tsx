import { useNavigate } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { sessionName } from "../api/displayNames";
import { asFailure } from "../api/failures";
import { Confirm } from "../parts/Confirm";
import { curl } from "../parts/Curl";
import { copyText } from "../parts/copying";
import { newIdempotencyKey } from "../parts/idempotency";
import { Menu } from "../parts/Menu";
import { Failed } from "../parts/State";
import { useDeleteSession } from "../parts/sessionChanges";
import { useFollowed, useFollower } from "./followed";
import { markdownOf } from "./markdownOf";
import { type Session, saveExport, useFork, useRetry } from "./queries";
import styles from "./SessionMenu.module.css";

/** What can be done with a session as a whole. */
export function SessionMenu({ session }: { session: Session }) {
  const navigate = useNavigate();
  const follower = useFollower();
  const [asksToDelete, setAsksToDelete] = useState(false);
  const [failure, setFailure] = useState<Error | null>(null);
  const [news, setNews] = useState("");
  const remove = useDeleteSession();
  const fork = useFork(session.id);
  const retry = useRetry(session.id);
  const canRetry = useFollowed(
    ({ transcript }) => transcript.current === null && transcript.past.length > 0,
  );
  // A fork that is asked for again after a lost connection is the same fork.
  const forkKey = useRef<string | null>(null);

  async function attempt(work: () => Promise<unknown>, done: string) {
    setFailure(null);
    setNews("");
    try {
      await work();
      setNews(done);
    } catch (error) {
      setFailure(asFailure(error));
    }
  }

  async function forkAndOpen() {
    forkKey.current ??= newIdempotencyKey();
    const made = await fork.mutateAsync(forkKey.current);
    forkKey.current = null;
    await navigate({ to: "/sessions/$sessionId", params: { sessionId: made.id } });
  }

  function copyConversation() {
    const { transcript } = follower.getSnapshot();
    return copyText(markdownOf(sessionName(session), transcript));
  }

  return (
    <div className={styles.menu}>
      <Menu
        label="Actions"
        items={[
          { label: "Fork this session", onSelect: () => attempt(forkAndOpen, "Forked.") },
          {
            label: "Retry the last turn",
            isDisabled: !canRetry,
            onSelect: () =>
              attempt(
                () => retry.mutateAsync({ controls: null, key: newIdempotencyKey() }),
                "The turn starts again.",
              ),
          },
          "line",
          {
            label: "Copy as Markdown",
            onSelect: () => attempt(copyConversation, "Copied what is loaded."),
          },
          {
            label: "Copy as curl",
            onSelect: () =>
              attempt(
                () => copyText(curl(window.location.origin, "GET", `/v1/sessions/${session.id}`)),
                "Copied.",
              ),
          },
          {
            label: "Export as JSON Lines",
            onSelect: () => attempt(() => saveExport(session.id), "Exported."),
          },
          "line",
          { label: "Delete…", isDangerous: true, onSelect: () => setAsksToDelete(true) },
        ]}
      />
      <span role="status" className={styles.news}>
        {news}
      </span>
      {failure !== null && <Failed error={failure} />}
      <Confirm
        isOpen={asksToDelete}
        onClose={() => setAsksToDelete(false)}
        title="Delete this session?"
        action="Delete session"
        isBusy={remove.isPending}
        error={remove.error}
        onConfirm={() =>
          remove.mutate(session.id, { onSuccess: () => navigate({ to: "/sessions" }) })
        }
      >
        <p>
          This deletes “{sessionName(session)}” with its messages, its log and its own files, and
          ends a running turn. Files of a shared workspace stay. It cannot be undone.
        </p>
      </Confirm>
    </div>
  );
}
