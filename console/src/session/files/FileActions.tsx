import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Confirm } from "../../parts/Confirm";
import { withVisibleControls } from "../../parts/controls";
import { Menu } from "../../parts/Menu";
import { Failed } from "../../parts/State";
import { PathDialog } from "./PathDialog";
import { useDelete, useMove, useReadonly } from "./queries";
import { type FileInfo, parentOf } from "./tree";

interface FileActionsProps {
  workspaceId: string;
  info: FileInfo;
  files: readonly FileInfo[];
}

/** What can be done with a file or a folder as a whole. */
export function FileActions({ workspaceId, info, files }: FileActionsProps) {
  const [asking, setAsking] = useState<"move" | "delete" | null>(null);
  const navigate = useNavigate({ from: "/sessions/$sessionId" });
  const move = useMove(workspaceId);
  const deletion = useDelete(workspaceId);
  const access = useReadonly(workspaceId);
  const inside = files.filter(({ path }) => path.startsWith(`${info.path}/`)).length;

  function close() {
    setAsking(null);
    move.reset();
    deletion.reset();
  }

  function show(path: string) {
    close();
    void navigate({ search: { view: "files", file: path }, resetScroll: false });
  }

  return (
    <>
      <Menu
        label="Actions"
        name={`Actions for ${info.path}`}
        items={[
          { label: "Rename or move…", onSelect: () => setAsking("move") },
          ...(info.is_directory
            ? []
            : [
                {
                  label: info.is_readonly ? "Make writable" : "Make read-only",
                  onSelect: () => access.mutate({ path: info.path, isReadonly: !info.is_readonly }),
                },
              ]),
          "line" as const,
          { label: "Delete…", onSelect: () => setAsking("delete"), isDangerous: true },
        ]}
      />
      {access.error !== null && <Failed error={access.error} />}
      {asking === "move" && (
        <PathDialog
          title={`Rename or move ${withVisibleControls(info.name)}`}
          action="Move"
          path={info.path}
          isBusy={move.isPending}
          error={move.error}
          onClose={close}
          onPath={(to) =>
            move.mutate({ from: info.path, to }, { onSuccess: (moved) => show(moved.path) })
          }
        />
      )}
      {asking === "delete" && (
        <Confirm
          isOpen
          title={`Delete ${withVisibleControls(info.name)}?`}
          action={info.is_directory ? "Delete folder" : "Delete file"}
          isBusy={deletion.isPending}
          error={deletion.error}
          onClose={close}
          onConfirm={() =>
            deletion.mutate(info.path, { onSuccess: () => show(parentOf(info.path)) })
          }
        >
          This deletes <code>{withVisibleControls(info.path)}</code>
          {info.is_directory && inside > 0 ? ` with ${inside} entries in it` : ""}. Files have no
          history, so it cannot be undone.
        </Confirm>
      )}
    </>
  );
}
