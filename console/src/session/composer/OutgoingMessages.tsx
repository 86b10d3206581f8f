import { OutgoingMessage } from "./OutgoingMessage";
import { textOf } from "./outbox";
import type { Outbox } from "./useOutbox";

interface OutgoingMessagesProps {
  outbox: Outbox;
  /** Called with the text of a message that goes back into the composer. */
  onEdit: (recalled: { text: string }) => void;
}

/** The messages that the session does not have yet. */
export function OutgoingMessages({ outbox, onEdit }: OutgoingMessagesProps) {
  return outbox.messages.map((outgoing) => (
    <OutgoingMessage
      key={outgoing.key}
      outgoing={outgoing}
      onSendAgain={outbox.sendAgain}
      onDiscard={outbox.discard}
      onEdit={() => {
        onEdit({ text: textOf(outgoing.content) });
        outbox.discard(outgoing);
      }}
    />
  ));
}
