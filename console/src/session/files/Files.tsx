import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { SearchField } from "../../parts/SearchField";
import { State } from "../../parts/State";
import { useFollowed } from "../followed";
import { useSession } from "../queries";
import styles from "./Files.module.css";
import { FileTree } from "./FileTree";
import { FileView } from "./FileView";
import { FolderView } from "./FolderView";
import { Found } from "./Found";
import { useFiles } from "./queries";
import { type FileInfo, nodeIn, parentOf, treeOf } from "./tree";

/** The files of a session's workspace, which its tools and its users share. */
export function Files({ sessionId }: { sessionId: string }) {
  const session = useSession(sessionId);
  return (
    <State query={session} rows={8}>
      {({ workspace_id }) => <Workspace workspaceId={workspace_id} />}
    </State>
  );
}

function Workspace({ workspaceId }: { workspaceId: string }) {
  const files = useFiles(workspaceId);
  const queries = useQueryClient();
  const endedTurns = useFollowed(({ transcript }) => transcript.past);

  // What tools have written is there when their turn has ended.
  // biome-ignore lint/correctness/useExhaustiveDependencies: an ended turn is what counts.
  useEffect(() => {
    void queries.invalidateQueries({ queryKey: ["workspace", workspaceId, "files"] });
  }, [endedTurns, queries, workspaceId]);

  return (
    <State query={files} rows={8}>
      {(listed) => <Listed workspaceId={workspaceId} files={listed} />}
    </State>
  );
}

interface ListedProps {
  workspaceId: string;
  files: readonly FileInfo[];
}

function Listed({ workspaceId, files }: ListedProps) {
  const { file: chosen = "/", find } = useSearch({ from: "/sessions/$sessionId" });
  const navigate = useNavigate({ from: "/sessions/$sessionId" });
  const root = treeOf(files);
  const node = nodeIn(root, chosen);
  const tree = <FileTree root={root} chosen={chosen} />;

  return (
    <div className={styles.files}>
      <aside className={styles.side} aria-label="Files">
        <SearchField
          label="Search names and lines"
          value={find ?? ""}
          onSearch={(text) =>
            void navigate({
              search: ({ find: _, ...search }) =>
                text === "" ? search : { ...search, find: text },
              replace: true,
              resetScroll: false,
            })
          }
        />
        {find === undefined ? tree : <Found workspaceId={workspaceId} files={files} text={find} />}
      </aside>
      <section className={styles.main}>
        {node?.info && node.children === null ? (
          <FileView key={node.path} workspaceId={workspaceId} info={node.info} files={files} />
        ) : (
          <>
            {node === null && (
              <p role="status">
                There is no <code>{chosen}</code> any more.
              </p>
            )}
            <FolderView
              workspaceId={workspaceId}
              folder={node ?? nodeIn(root, parentOf(chosen)) ?? root}
              files={files}
            />
          </>
        )}
      </section>
    </div>
  );
}
