/** What the view of files asks and tells the server. */

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../../api/client";
import { asFailure, Failure } from "../../api/failures";
import { type FileInfo, pathIn } from "./tree";

// Any state: stands for a tag that a proxy has removed.
const ANY = "*";

/** A file with its content. */
export interface WorkspaceFile extends Readonly<Schemas["SessionFile"]> {
  /** Tells this state of the file from any other. */
  readonly tag: string;
}

/** That somebody else has changed a file since it was opened. */
export class ChangedMeanwhile extends Failure {
  constructor(
    /** The file as it is now. */
    readonly theirs: WorkspaceFile,
  ) {
    super("PRECONDITION_FAILED", `${theirs.path} was changed since you opened it.`, 412);
  }
}

/** All files and folders of a workspace. */
export function useFiles(workspaceId: string) {
  return useQuery({
    queryKey: ["workspace", workspaceId, "files"],
    queryFn: async () => {
      const path = { workspace_id: workspaceId };
      const { data } = await answered(
        api.GET("/v1/workspaces/{workspace_id}/fs", {
          params: { path, query: { recursive: true } },
        }),
      );
      return data;
    },
  });
}

/** A file with its content. It is read again when the list shows another time of change. */
export function useFile(workspaceId: string, info: FileInfo) {
  return useQuery({
    queryKey: ["workspace", workspaceId, "file", info.path, info.updated_at],
    queryFn: () => readFile(workspaceId, info.path),
    placeholderData: keepPreviousData,
  });
}

/** Lines of text files that match a regular expression. */
export function useMatches(workspaceId: string, pattern: string) {
  return useQuery({
    queryKey: ["workspace", workspaceId, "matches", pattern],
    queryFn: async ({ signal }) => {
      const { data } = await answered(
        api.POST("/v1/workspaces/{workspace_id}/fs/_/grep", {
          params: { path: { workspace_id: workspaceId } },
          body: { pattern },
          signal,
        }),
      );
      return data;
    },
  });
}

/** Save a text as a file, if that is still in the state with the tag `replaced`. */
export function useSave(workspaceId: string, path: string) {
  return useChange(workspaceId, async ({ text, replaced }: { text: string; replaced: string }) => {
    try {
      return await answered(
        api.PUT("/v1/workspaces/{workspace_id}/fs/{path}", {
          params: {
            path: { workspace_id: workspaceId, path: path.slice(1) },
            header: { "If-Match": replaced },
          },
          pathSerializer: withSlashes,
          body: { content: text, encoding: "text" },
        }),
      );
    } catch (error) {
      if (asFailure(error).status !== 412) throw error;
      throw new ChangedMeanwhile(await readFile(workspaceId, path));
    }
  });
}

/** Let tools and people write a file, or no longer. */
export function useReadonly(workspaceId: string) {
  return useChange(workspaceId, ({ path, isReadonly }: { path: string; isReadonly: boolean }) =>
    answered(
      api.PUT("/v1/workspaces/{workspace_id}/fs/{path}", {
        ...at(workspaceId, path),
        body: { is_readonly: isReadonly },
      }),
    ),
  );
}

/** Create an empty file, or a folder. */
export function useCreate(workspaceId: string) {
  return useChange(workspaceId, ({ path, isFolder }: { path: string; isFolder: boolean }) =>
    answered(
      api.POST("/v1/workspaces/{workspace_id}/fs/{path}", {
        ...at(workspaceId, path),
        body: isFolder ? { is_directory: true } : { content: "" },
      }),
    ),
  );
}

/** Move a file, or a folder with what is in it. */
export function useMove(workspaceId: string) {
  return useChange(workspaceId, ({ from, to }: { from: string; to: string }) =>
    answered(
      api.POST("/v1/workspaces/{workspace_id}/fs/_/move", {
        params: { path: { workspace_id: workspaceId } },
        body: { src_path: from, dst_path: to },
      }),
    ),
  );
}

/** Delete a file, or a folder with what is in it. */
export function useDelete(workspaceId: string) {
  return useChange(workspaceId, (path: string) =>
    answered(
      api.DELETE("/v1/workspaces/{workspace_id}/fs/{path}", {
        params: {
          path: { workspace_id: workspaceId, path: path.slice(1) },
          query: { recursive: true },
        },
        pathSerializer: withSlashes,
      }),
    ),
  );
}

/** Send files into a folder, one after another; those that are there are replaced. */
export function useUpload(workspaceId: string) {
  return useChange(
    workspaceId,
    async ({ files, folder }: { files: readonly File[]; folder: string }) => {
      for (const file of files) {
        await answered(
          api.PUT("/v1/workspaces/{workspace_id}/raw/{path}", {
            ...at(workspaceId, pathIn(folder, file.name)),
            // The API's document calls bytes a text; they are sent as they are.
            body: "",
            bodySerializer: () => file,
            headers: { "content-type": "application/octet-stream" },
          }),
        );
      }
    },
  );
}

/** Return the bytes of a file. */
export async function readBytes(workspaceId: string, path: string): Promise<Blob> {
  return answered(
    api.GET("/v1/workspaces/{workspace_id}/raw/{path}", {
      ...at(workspaceId, path),
      parseAs: "blob",
    }),
  );
}

async function readFile(workspaceId: string, path: string): Promise<WorkspaceFile> {
  const request = api.GET("/v1/workspaces/{workspace_id}/fs/{path}", at(workspaceId, path));
  const found = await answered(request);
  if ("data" in found) throw new Failure("CONFLICT", `${path} is a folder now.`, 409);
  const { response } = await request;
  return { ...found, tag: response.headers.get("etag") ?? ANY };
}

function useChange<Given, Made>(workspaceId: string, change: (given: Given) => Promise<Made>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    // Of several files some may have been changed before one failed.
    onSettled: () => queries.invalidateQueries({ queryKey: ["workspace", workspaceId, "files"] }),
  });
}

function at(workspaceId: string, path: string) {
  return {
    params: { path: { workspace_id: workspaceId, path: path.slice(1) } },
    pathSerializer: withSlashes,
  };
}

/** Put values into a path; the slashes of a file's path stay what they are. */
export function withSlashes(pathname: string, values: Record<string, unknown>): string {
  return pathname.replace(/\{(\w+)\}/g, (_, name: string) =>
    String(values[name]).split("/").map(encodeURIComponent).join("/"),
  );
}
