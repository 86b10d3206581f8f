/** The files of a workspace as a tree, made of the flat list that the server sends. */

import type { Schemas } from "../../api/client";

export type FileInfo = Schemas["FileInfo"];

/** A file or a folder with what is in it. */
export interface Node {
  /** Absolute, such as `/notes/today.md`; the root is `/`. */
  readonly path: string;
  readonly name: string;
  /** Null of a folder that the list does not name. */
  readonly info: FileInfo | null;
  /** What is in a folder, folders first; null of a file. */
  readonly children: readonly Node[] | null;
}

/** A row of the tree as it is shown. */
export interface Row {
  readonly node: Node;
  /** From 1. */
  readonly level: number;
  /** Null of a file. */
  readonly isOpen: boolean | null;
}

const order = new Intl.Collator("en", { numeric: true });

/** Return the root of the tree of files. Folders that the list leaves out are there too. */
export function treeOf(files: readonly FileInfo[]): Node {
  const folders = new Map<string, Map<string, FileInfo | null>>([["/", new Map()]]);

  function contentOf(path: string): Map<string, FileInfo | null> {
    const known = folders.get(path);
    if (known !== undefined) return known;
    const content = new Map<string, FileInfo | null>();
    folders.set(path, content);
    const siblings = contentOf(parentOf(path));
    if (!siblings.has(path)) siblings.set(path, null);
    return content;
  }

  for (const file of files) {
    contentOf(parentOf(file.path)).set(file.path, file);
    if (file.is_directory) contentOf(file.path);
  }

  function nodeAt(path: string, info: FileInfo | null): Node {
    const content = folders.get(path);
    const children = content && [...content].map(([at, child]) => nodeAt(at, child)).sort(compare);
    return { path, name: nameOf(path), info, children: children ?? null };
  }
  return nodeAt("/", null);
}

/** Return the rows of a tree of which some folders are open. The root is none. */
export function rowsOf(root: Node, isOpen: (path: string) => boolean, level = 1): Row[] {
  return (root.children ?? []).flatMap((node) => {
    if (node.children === null) return [{ node, level, isOpen: null }];
    const opened = isOpen(node.path);
    const below = opened ? rowsOf(node, isOpen, level + 1) : [];
    return [{ node, level, isOpen: opened }, ...below];
  });
}

/** Return what is at a path. */
export function nodeIn(root: Node, path: string): Node | null {
  if (root.path === path) return root;
  const next = root.children?.find(
    (child) => path === child.path || path.startsWith(`${child.path}/`),
  );
  return next === undefined ? null : nodeIn(next, path);
}

/** Return the folder that something is in. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** Return the path of something in a folder. */
export function pathIn(folder: string, name: string): string {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}

/** Return the last part of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function compare(one: Node, other: Node): number {
  const folderFirst = Number(one.children === null) - Number(other.children === null);
  return folderFirst || order.compare(one.name, other.name);
}
