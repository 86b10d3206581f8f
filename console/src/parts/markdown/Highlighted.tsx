import { type ReactNode, useMemo } from "react";
import styles from "./Highlighted.module.css";
import { type Piece, piecesOf } from "./highlighting";

/** Code in the colours of its language. */
export function Highlighted({ code, language }: { code: string; language: string }) {
  const pieces = useMemo(() => piecesOf(code, language), [code, language]);
  return <>{pieces === null ? code : pieces.map(drawn)}</>;
}

function drawn(piece: Piece, at: number): ReactNode {
  if (typeof piece === "string") return piece;
  return (
    <span key={at} className={styles[piece.scope]}>
      {piece.pieces.map(drawn)}
    </span>
  );
}
