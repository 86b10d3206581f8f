/** Queries to begin with. */

/** A question, and the query that answers it. */
export interface Example {
  question: string;
  query: string;
}

export const EXAMPLES: readonly Example[] = [
  {
    question: "What does each model cost a day?",
    query: `SELECT day, model, sum(cost_usd) AS usd, sum(input_tokens + output_tokens) AS tokens
FROM usage_daily
GROUP BY ALL
ORDER BY day DESC, usd DESC NULLS LAST`,
  },
  {
    question: "Which agents are slow this week?",
    query: `SELECT agent_id, count(*) AS turns,
       quantile_cont(duration_ms, 0.95) AS p95_ms
FROM turns
WHERE day > current_date - 7
GROUP BY ALL
ORDER BY p95_ms DESC`,
  },
  {
    question: "Which tools fail?",
    query: `SELECT tool_name, count(*) AS calls,
       avg(duration_ms) AS mean_ms,
       count(*) FILTER (NOT success) AS failed
FROM tool_calls
GROUP BY ALL
ORDER BY failed DESC`,
  },
  {
    question: "With which arguments?",
    query: `SELECT t.tool_name, t.error, e.arguments
FROM tool_calls t JOIN events e USING (session_id, tool_call_id)
WHERE e.type = 'tool.call' AND NOT t.success AND t.day = current_date`,
  },
  {
    question: "Which turns cost the most?",
    query: `SELECT session_id, turn_id, sum(cost_usd) AS usd
FROM model_calls
GROUP BY ALL
ORDER BY usd DESC NULLS LAST
LIMIT 20`,
  },
  {
    question: "Why do turns fail?",
    query: `SELECT error_code, count(*) AS turns, any_value(error) AS example
FROM turns
WHERE outcome = 'failed'
GROUP BY ALL
ORDER BY turns DESC`,
  },
  {
    question: "Who asked for a refund?",
    query: `SELECT session_id, created_at, text
FROM messages
WHERE role = 'user' AND text ILIKE '%refund%'
ORDER BY created_at DESC`,
  },
  {
    question: "How soon does a model answer?",
    query: `SELECT model, count(*) AS calls, median(first_token_ms) AS first_token_ms
FROM model_calls
GROUP BY ALL
ORDER BY calls DESC`,
  },
];
