import { Dialog } from "@base-ui/react/dialog";
import { About } from "./About";
import { Icon } from "./icons";
import overlay from "./overlay.module.css";
import { Places } from "./Places";
import styles from "./Shell.module.css";
import type { Server } from "./server";
import tool from "./tool.module.css";

interface MenuProps {
  waiting: number;
  server: Server;
  onClose: () => void;
  onKeys: () => void;
}

/** The navigation of narrow windows. */
export function Menu({ waiting, server, onClose, onKeys }: MenuProps) {
  return (
    <Dialog.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={overlay.shade} />
        <Dialog.Popup className={overlay.sheet}>
          <div className={overlay.head}>
            <Dialog.Title className={styles.name}>Everruns</Dialog.Title>
            <Dialog.Close className={tool.tool} aria-label="Close">
              <Icon name="close" />
            </Dialog.Close>
          </div>
          <Places waiting={waiting} hasLimits={server.hasLimits} onGo={onClose} />
          <About server={server} onKeys={onKeys} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
