import { type DragEvent, useRef, useState } from "react";
import { Button } from "../../parts/Button";
import { Confirm } from "../../parts/Confirm";
import { Curl } from "../../parts/Curl";
import { withVisibleControls } from "../../parts/controls";
import { bytes, exact } from "../../parts/formats";
import { Failed } from "../../parts/State";
import { FileActions } from "./FileActions";
import { FolderTable } from "./FolderTable";
import styles from "./FolderView.module.css";
import { LIMITS, refusalOf, sizeOf } from "./limits";
import { NewEntry } from "./NewEntry";
import { useUpload } from "./queries";
import { type FileInfo, type Node, pathIn } from "./tree";

interface FolderViewProps {
  workspaceId: string;
  folder: Node;
  files: readonly FileInfo[];
}

/** What is in a folder, with a place to drop files. */
export function FolderView({ workspaceId, folder, files }: FolderViewProps) {
  const picker = useRef<HTMLInputElement>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const [replacing, setReplacing] = useState<readonly File[] | null>(null);
  const [isOver, setOver] = useState(false);
  const [adding, setAdding] = useState<"file" | "folder" | null>(null);
  const upload = useUpload(workspaceId);

  function pathOf(file: File): string {
    return pathIn(folder.path, file.name);
  }

  function offer(given: readonly File[]) {
    const uploads = given.map((file) => ({ path: pathOf(file), size: file.size }));
    const refused = refusalOf(uploads, files);
    setRefusal(refused);
    if (refused !== null || given.length === 0) return;
    if (files.some(({ path }) => uploads.some((one) => one.path === path))) setReplacing(given);
    else send(given);
  }

  function send(given: readonly File[]) {
    setReplacing(null);
    upload.mutate({ files: given, folder: folder.path });
  }

  function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    offer([...event.dataTransfer.files]);
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the button does the same by keyboard.
    <div
      className={styles.folder}
      data-over={isOver}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <header className={styles.head}>
        <h2>{folder.path === "/" ? "Workspace" : folder.path}</h2>
        <Button isBusy={upload.isPending} onClick={() => picker.current?.click()}>
          Upload…
        </Button>
        <Button onClick={() => setAdding("file")}>New file…</Button>
        <Button onClick={() => setAdding("folder")}>New folder…</Button>
        {folder.info !== null && (
          <FileActions workspaceId={workspaceId} info={folder.info} files={files} />
        )}
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-label="Files to upload"
          onChange={(event) => {
            offer([...(event.target.files ?? [])]);
            event.target.value = "";
          }}
        />
      </header>
      {refusal !== null && (
        <p role="alert" className={styles.refused}>
          Nothing was sent. {refusal}
        </p>
      )}
      {upload.error !== null && <Failed error={upload.error} />}
      {folder.children?.length === 0 ? (
        <>
          <p>
            {folder.path === "/"
              ? "There are no files yet. What tools write appears here."
              : "Empty."}
          </p>
          <Curl
            method="POST"
            path={`/v1/workspaces/${workspaceId}/fs${pathIn(folder.path, "note.txt")}`}
            body={{ content: "Hello" }}
          />
        </>
      ) : (
        <FolderTable entries={folder.children ?? []} />
      )}
      <p className={styles.limits}>
        {LIMITS} This one has {exact(files.length)}, {bytes(sizeOf(files))} together. Drop files
        here to add them to <code>{withVisibleControls(folder.path)}</code>.
      </p>
      {adding !== null && (
        <NewEntry
          workspaceId={workspaceId}
          folder={folder.path}
          isFolder={adding === "folder"}
          onClose={() => setAdding(null)}
        />
      )}
      {replacing !== null && (
        <Confirm
          isOpen
          title="Replace what is there?"
          action="Replace"
          onClose={() => setReplacing(null)}
          onConfirm={() => send(replacing)}
        >
          <p>Their content is lost:</p>
          <ul>
            {replacing
              .map(pathOf)
              .filter((path) => files.some((file) => file.path === path))
              .map((path) => (
                <li key={path}>
                  <code>{withVisibleControls(path)}</code>
                </li>
              ))}
          </ul>
        </Confirm>
      )}
    </div>
  );
}
