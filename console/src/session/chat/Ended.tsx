import { Failed } from "../../parts/State";
import { useFollowed } from "../followed";

/** Why nothing more of the session will be shown, if that is so. */
export function Ended() {
  const connection = useFollowed((followed) => followed.connection);
  if (connection.kind !== "ended") return null;
  return <Failed error={connection.failure} />;
}
