import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { agentName, sessionName } from "../api/displayNames";
import { shortId } from "../parts/formats";
import { identified } from "../parts/ids";
import { useNewSession } from "../parts/newSession";
import { chooseTheme, THEMES } from "../theme/theme";
import { useFound } from "./found";
import { Icon } from "./icons";
import overlay from "./overlay.module.css";
import styles from "./Palette.module.css";
import { matching, type Offer, type OfferGroup } from "./palette";
import { placesFor } from "./places";

interface PaletteProps {
  /** Whether what only administrators may do is left out. */
  hasLimits: boolean;
  onClose: () => void;
  onKeys: () => void;
}

/** Where one types where to go and what to do. */
export function Palette({ hasLimits, onClose, onKeys }: PaletteProps) {
  const [text, setText] = useState("");
  const groups = useOffers(text, hasLimits, onKeys);
  return (
    <Dialog.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={overlay.shade} />
        <Dialog.Popup className={overlay.window} aria-label="Search and commands">
          <Autocomplete.Root
            open
            inline
            autoHighlight="always"
            keepHighlight
            filter={null}
            items={groups}
            value={text}
            onValueChange={(value, { reason }) => reason !== "item-press" && setText(value)}
            itemToStringValue={(offer: Offer) => offer.name}
          >
            <div className={styles.field}>
              <Icon name="search" />
              <Autocomplete.Input
                className={styles.input}
                aria-label="Search and commands"
                placeholder="Go to a screen, a session, an agent…"
              />
            </div>
            <div className={styles.scroll}>
              <Autocomplete.Empty className={styles.empty}>
                {text === "" ? "" : "Nothing matches."}
              </Autocomplete.Empty>
              <Autocomplete.List>
                {(group: OfferGroup) => (
                  <Autocomplete.Group key={group.value} items={group.items}>
                    <Autocomplete.GroupLabel className={styles.group}>
                      {group.value}
                    </Autocomplete.GroupLabel>
                    <Autocomplete.Collection>
                      {(offer: Offer) => (
                        <Autocomplete.Item
                          key={offer.id}
                          value={offer}
                          className={styles.offer}
                          onClick={() => {
                            onClose();
                            offer.run();
                          }}
                        >
                          <span className={styles.name}>{offer.name}</span>
                          <span className={styles.hint}>{offer.hint}</span>
                        </Autocomplete.Item>
                      )}
                    </Autocomplete.Collection>
                  </Autocomplete.Group>
                )}
              </Autocomplete.List>
            </div>
          </Autocomplete.Root>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function useOffers(text: string, hasLimits: boolean, onKeys: () => void): OfferGroup[] {
  const navigate = useNavigate();
  const begin = useNewSession();
  const found = useFound(text);
  const id = identified(text.trim());

  const commands: Offer[] = [
    { id: "new-session", name: "New session", words: "chat", run: () => begin.mutate({}) },
    ...(hasLimits
      ? []
      : [{ id: "new-agent", name: "New agent", run: () => navigate({ to: "/agents/new" }) }]),
    ...THEMES.map((theme) => ({
      id: `theme-${theme}`,
      name: theme === "system" ? "Use the system's theme" : `Use the ${theme} theme`,
      words: "switch dark mode",
      run: () => chooseTheme(theme),
    })),
    { id: "keys", name: "Show all keys", words: "shortcuts keyboard help", hint: "?", run: onKeys },
  ];
  const places: Offer[] = placesFor(hasLimits)
    .flat()
    .map(({ to, name, key }) => ({
      id: to,
      name,
      words: "go to",
      hint: `g ${key}`,
      run: () => navigate({ to }),
    }));
  const sessions: Offer[] = found.sessions.map((session) => ({
    id: session.id,
    name: sessionName(session),
    hint: shortId(session.id),
    run: () => navigate({ to: "/sessions/$sessionId", params: { sessionId: session.id } }),
  }));
  const agents: Offer[] = found.agents.map((agent) => ({
    id: agent.id,
    name: agentName(agent),
    hint: shortId(agent.id),
    run: () => navigate({ to: "/agents/$agentId", params: { agentId: agent.id } }),
  }));
  const direct: Offer[] =
    id === undefined || [...sessions, ...agents].some((offer) => offer.id === id.id)
      ? []
      : [
          {
            id: id.id,
            name: `Open ${id.id}`,
            run: () =>
              id.kind === "session"
                ? navigate({ to: "/sessions/$sessionId", params: { sessionId: id.id } })
                : navigate({ to: "/agents/$agentId", params: { agentId: id.id } }),
          },
        ];
  return [
    { value: "By id", items: direct },
    { value: "Screens", items: matching(places, text) },
    { value: "Do", items: matching(commands, text) },
    { value: "Sessions", items: sessions },
    { value: "Agents", items: agents },
  ].filter(({ items }) => items.length > 0);
}
