import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";
import { Choice } from "../parts/Choice";
import { useDeployment } from "../parts/deployment";
import { Head } from "../parts/Head";
import { useNow } from "../parts/now";
import { Failed, Loading, State } from "../parts/State";
import { Budgets } from "./Budgets";
import { FailingTools } from "./FailingTools";
import { Filters } from "./Filters";
import { Groups } from "./Groups";
import { PartsTable } from "./PartsTable";
import { PeriodChoice } from "./PeriodChoice";
import { type Changes, changed, periodOf } from "./period";
import { type Filter, useUsage, useUsageFile } from "./queries";
import { ReportFiles } from "./ReportFiles";
import { drawing, MEASURES, measureOf, rowsByPart } from "./series";
import { Totals } from "./Totals";
import styles from "./Usage.module.css";

const Chart = lazy(() => import("./Chart").then(({ Chart }) => ({ default: Chart })));
const route = getRouteApi("/usage");
// A period ends now; this is how exactly.
const MINUTE_MS = 60_000;

/** What was used, by time and by what it was for, and the budgets that limit it. */
export function Usage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const deployment = useDeployment();
  const now = useNow(MINUTE_MS);
  const period = useMemo(() => periodOf(search, now), [search, now]);
  const filter: Filter = {
    ...(search.agent !== undefined && { agent_id: search.agent }),
    ...(search.model !== undefined && { model: search.model }),
  };
  const byTime = useUsage(period, filter, period.unit);
  const file = useUsageFile(period, filter, period.unit);
  const measure = measureOf(search.show);
  const rows = useMemo(
    () => rowsByPart(byTime.data?.data ?? [], period.parts, period.unit),
    [byTime.data, period],
  );
  const drawn = useMemo(() => drawing(measure, rows), [measure, rows]);

  function change(changes: Changes) {
    navigate({ search: (before) => changed(before, changes), replace: true });
  }

  return (
    <>
      <Head title="Usage">
        <PeriodChoice period={period} onChange={change} />
      </Head>
      <div className={styles.sections}>
        <Filters search={search} onChange={change} />
        <State query={byTime} rows={10}>
          {(report) => (
            <section className={styles.section}>
              <Totals sums={report.total} />
              <div className={styles.line}>
                <Choice
                  label="Measure"
                  options={MEASURES}
                  value={measure}
                  onChange={(show) => change({ show })}
                />
                <ReportFiles file={file} />
              </div>
              {file.error !== null && <Failed error={file.error} />}
              <Suspense fallback={<Loading rows={7} />}>
                <Chart drawing={drawn} parts={period.parts} unit={period.unit} />
              </Suspense>
              <PartsTable rows={report.data} unit={period.unit} />
            </section>
          )}
        </State>
        <Groups period={period} filter={filter} search={search} onChange={change} />
        {deployment.data?.sql === true && <FailingTools period={period} agentId={search.agent} />}
        {deployment.data?.caller.has_limits === false && <Budgets />}
      </div>
    </>
  );
}
