import { Link } from "@tanstack/react-router";
import type { AnswerItem, Item } from "../log/itemTypes";
import { Compaction } from "./Compaction";
import styles from "./Notes.module.css";
import { ToolCard } from "./ToolCard";
import { UserMessage } from "./UserMessage";

/** An item of a turn other than an answer. */
export function ItemView({ item }: { item: Exclude<Item, AnswerItem> }) {
  switch (item.kind) {
    case "user":
      return <UserMessage item={item} />;
    case "tool_call":
      return <ToolCard item={item} />;
    case "compaction":
      return <Compaction item={item} />;
    case "fork":
      return (
        <p className={styles.note}>
          What comes before is a copy of{" "}
          <Link to="/sessions/$sessionId" params={{ sessionId: item.sourceSessionId }}>
            another session
          </Link>
          , up to its event {item.sourceSequence}.
        </p>
      );
    case "event":
      return (
        <p className={styles.note}>
          <Link
            from="/sessions/$sessionId"
            to="."
            search={{ view: "events", event: item.event.id }}
          >
            {item.event.type}
          </Link>
        </p>
      );
  }
}
