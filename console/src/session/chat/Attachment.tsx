import { Link } from "@tanstack/react-router";
import { useBlobUrl } from "../../parts/blobs";
import { withVisibleControls } from "../../parts/controls";
import { bytes } from "../../parts/formats";
import { LongText } from "../../parts/LongText";
import { Picture as PictureLink } from "../../parts/markdown/links";
import type { ContentPart, ResultPart } from "../log/wire";
import styles from "./Attachment.module.css";
import { Fold } from "./Fold";
import { shownJson } from "./values";

/** An image, a file or a value of a message or a tool's result. */
export function Attachment({ part }: { part: ContentPart | ResultPart }) {
  switch (part.type) {
    case "text":
      return <LongText text={part.text} />;
    case "json":
      return <LongText text={shownJson(part.value)} />;
    case "image":
      if (part.base64 == null)
        return <PictureLink address={part.url ?? undefined} alternative={part.path ?? undefined} />;
      return (
        <Picture base64={part.base64} mediaType={part.media_type ?? "image/png"} path={part.path} />
      );
    case "file":
      return "filename" in part ? <FileOfUser part={part} /> : <FileOfWorkspace part={part} />;
    default:
      return null;
  }
}

interface PictureProps {
  base64: string;
  mediaType: string;
  path: string | null | undefined;
}

function Picture({ base64, mediaType, path }: PictureProps) {
  const url = useBlobUrl(base64, mediaType);
  if (url === null) return null;
  return (
    <figure className={styles.picture}>
      <a href={url} target="_blank" rel="noopener">
        <img src={url} alt={path ?? "Attached"} />
      </a>
      {path != null && <figcaption>{withVisibleControls(path)}</figcaption>}
    </figure>
  );
}

type UserFile = Extract<ContentPart, { type: "file" }>;

function FileOfUser({ part }: { part: UserFile }) {
  const about = [bytes(part.size_bytes), part.media_type];
  if (part.pages !== undefined && part.pages > 0) about.push(`${part.pages} pages`);
  return (
    <Fold
      summary={
        <span className={styles.file}>
          {withVisibleControls(part.filename)} <small>{about.join(" · ")}</small>
        </span>
      }
    >
      {() => (
        <>
          {part.base64 != null && <Save base64={part.base64} part={part} />}
          <LongText text={part.text} />
        </>
      )}
    </Fold>
  );
}

function Save({ base64, part }: { base64: string; part: UserFile }) {
  const url = useBlobUrl(base64, part.media_type);
  return url === null ? null : (
    <a href={url} download={part.filename}>
      Save {withVisibleControls(part.filename)}
    </a>
  );
}

function FileOfWorkspace({ part }: { part: Extract<ResultPart, { type: "file" }> }) {
  return (
    <Link from="/sessions/$sessionId" to="." search={{ view: "files", file: part.path }}>
      {withVisibleControls(part.path)} <small>{bytes(part.size_bytes)}</small>
    </Link>
  );
}
