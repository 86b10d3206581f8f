import { useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { Loading, State } from "../parts/State";
import { Chat } from "./chat/Chat";
import { FollowedSession } from "./followed";
import { useFollowing } from "./following";
import { Header } from "./Header";
import { useSession } from "./queries";
import styles from "./Session.module.css";
import { type View, viewOf } from "./views";

const Timeline = lazy(async () => ({ default: (await import("./timeline/Timeline")).Timeline }));
const Events = lazy(async () => ({ default: (await import("./events/Events")).Events }));
const Context = lazy(async () => ({ default: (await import("./context/Context")).Context }));
const Files = lazy(async () => ({ default: (await import("./files/Files")).Files }));

/** A session: its conversation, its course, its events and its files. */
export function Session() {
  const { sessionId } = useParams({ from: "/sessions/$sessionId" });
  // Another session is another screen: nothing of this one may be left in it.
  return <OneSession key={sessionId} sessionId={sessionId} />;
}

function OneSession({ sessionId }: { sessionId: string }) {
  const { view: named } = useSearch({ from: "/sessions/$sessionId" });
  const session = useSession(sessionId);
  const follower = useFollowing(sessionId);
  const view = viewOf(named);
  return (
    <FollowedSession sessionId={sessionId} follower={follower}>
      <State query={session} rows={8}>
        {(found) => (
          <div className={styles.screen}>
            <Header session={found} view={view} />
            <Suspense fallback={<Loading rows={8} />}>
              <Shown view={view} sessionId={sessionId} />
            </Suspense>
          </div>
        )}
      </State>
    </FollowedSession>
  );
}

function Shown({ view, sessionId }: { view: View; sessionId: string }) {
  switch (view) {
    case "chat":
      return <Chat />;
    case "timeline":
      return <Timeline sessionId={sessionId} />;
    case "events":
      return <Events sessionId={sessionId} />;
    case "files":
      return <Files sessionId={sessionId} />;
    case "context":
      return <Context sessionId={sessionId} />;
  }
}
