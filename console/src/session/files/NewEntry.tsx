import { useNavigate } from "@tanstack/react-router";
import { PathDialog } from "./PathDialog";
import { useCreate } from "./queries";
import { pathIn } from "./tree";

interface NewEntryProps {
  workspaceId: string;
  /** The folder to begin in. */
  folder: string;
  isFolder: boolean;
  onClose: () => void;
}

/** Create an empty file or a folder, and go there. */
export function NewEntry({ workspaceId, folder, isFolder, onClose }: NewEntryProps) {
  const creation = useCreate(workspaceId);
  const navigate = useNavigate({ from: "/sessions/$sessionId" });
  return (
    <PathDialog
      title={isFolder ? "New folder" : "New file"}
      action={isFolder ? "Create folder" : "Create file"}
      path={pathIn(folder, "")}
      isBusy={creation.isPending}
      error={creation.error}
      onClose={onClose}
      onPath={(path) =>
        creation.mutate(
          { path, isFolder },
          {
            onSuccess: (made) => {
              onClose();
              void navigate({ search: { view: "files", file: made.path }, resetScroll: false });
            },
          },
        )
      }
    />
  );
}
