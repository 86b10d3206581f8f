import type { Schemas } from "../api/client";
import styles from "./Settings.module.css";

/** What runs here. */
export function About({ deployment }: { deployment: Schemas["Deployment"] }) {
  return (
    <section className={styles.section}>
      <h2>About</h2>
      <p>
        Everruns {deployment.version}. This page comes from the server itself and contacts nobody
        else.
        {deployment.docs && (
          <>
            {" "}
            <a href="/swagger-ui/">API documentation</a>
          </>
        )}
      </p>
    </section>
  );
}
