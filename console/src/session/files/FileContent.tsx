import { useBlobUrl } from "../../parts/blobs";
import { bytes } from "../../parts/formats";
import styles from "./FileContent.module.css";
import { NumberedText } from "./NumberedText";
import type { WorkspaceFile } from "./queries";

const IMAGES: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
};

/** What is in a file: text with the numbers of its lines, an image, or how much it is. */
export function FileContent({ file }: { file: WorkspaceFile }) {
  const ending = file.name.slice(file.name.lastIndexOf(".") + 1).toLowerCase();
  const image = IMAGES[ending];
  if (file.content == null) return null;
  if (file.encoding === "text") {
    if (file.content === "") return <p className={styles.note}>The file is empty.</p>;
    return <NumberedText text={file.content} />;
  }
  if (image !== undefined) {
    return <Picture content={file.content} mediaType={image} name={file.name} />;
  }
  return (
    <p className={styles.note}>
      {ending === "pdf" ? "A PDF" : "Not a text file"}, {bytes(file.size_bytes)}. Download it to
      look at it.
    </p>
  );
}

interface PictureProps {
  content: string;
  mediaType: string;
  name: string;
}

function Picture({ content, mediaType, name }: PictureProps) {
  const url = useBlobUrl(content, mediaType);
  return url === null ? null : <img src={url} alt={name} className={styles.image} />;
}
