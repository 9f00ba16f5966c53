// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "statements.hpp"

namespace orbit::storage_postgres {

Statements::Statements(const std::string& name)
    : table('"' + name + '"'), meta('"' + name + "_meta\"") {
  const auto set = [&](Statement statement, std::string text) { texts[static_cast<size_t>(statement)] = std::move(text); };
  set(Statement::get, "SELECT v FROM " + table + " WHERE k = $1 AND h = $2");
  // LIMIT 1 keeps it a look-up of each key, whatever the planner believes the table to be.
  set(Statement::multi_get,
      "SELECT a.i, r.v FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS a(k, h, i), "
      "LATERAL (SELECT v FROM " + table + " AS t WHERE t.k = a.k AND t.h = a.h LIMIT 1) AS r");
  set(Statement::put,
      "INSERT INTO " + table + " (k, h, t, v) SELECT a.k, a.h, a.t, a.v FROM "
      "unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[]) AS a(k, h, t, v) "
      "ON CONFLICT (k, h) DO UPDATE SET v = EXCLUDED.v");
  set(Statement::erase, "DELETE FROM " + table + " WHERE k = ANY($1::bytea[]) AND h = ''::bytea");
  set(Statement::erase_cut, "DELETE FROM " + table + " WHERE k = $1 AND h = $2");
  const std::string from = "k >= $1 AND (k > $1 OR t >= $2)";
  const std::string to = " AND k <= $3 AND (k < $3 OR t < $4)";
  set(Statement::erase_range, "DELETE FROM " + table + " WHERE " + from + to);
  set(Statement::erase_from, "DELETE FROM " + table + " WHERE " + from);
  // A plain insert waits for whoever is inserting the same key, and fails if that commits.
  set(Statement::absent, "INSERT INTO " + table + " (k, h, t, v) VALUES ($1, $2, $3, ''::bytea)");
  set(Statement::equals, "SELECT 1 / count(*) FROM (SELECT 1 FROM " + table +
                             " WHERE k = $1 AND h = $2 AND v = $3 FOR UPDATE) AS held");
  set(Statement::fence,
      "WITH raised AS (INSERT INTO " + table + " AS old (k, h, t, v) VALUES ($1, $2, $3, $4) "
      "ON CONFLICT (k, h) DO UPDATE SET v = EXCLUDED.v WHERE old.v <= EXCLUDED.v RETURNING 1) "
      "SELECT 1 / count(*) FROM raised");
  const std::string mark = "UPDATE " + meta + " SET number = $3, at = now() WHERE name = $1 AND number = $2";
  set(Statement::mark, "WITH marked AS (" + mark + " RETURNING 1) SELECT 1 / count(*) FROM marked");
  set(Statement::settle, mark);
  set(Statement::read_mark, "SELECT number FROM " + meta + " WHERE name = $1");
  set(Statement::register_mark, "INSERT INTO " + meta + " (name, number) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING");
  for (const bool open_end : {false, true})
    for (const bool reverse : {false, true})
      for (const bool large : {false, true})
        set(scan_statement(open_end, reverse, large),
            "SELECT k, t, v FROM " + table + " WHERE " + from + (open_end ? "" : to) +
                (reverse ? " ORDER BY k DESC, t DESC LIMIT " : " ORDER BY k, t LIMIT ") +
                std::to_string(large ? kLargePage : kSmallPage));

  create = {"CREATE TABLE IF NOT EXISTS " + table +
                " (k bytea NOT NULL, h bytea NOT NULL, t bytea NOT NULL, v bytea NOT NULL, PRIMARY KEY (k, h))",
            "CREATE TABLE IF NOT EXISTS " + meta +
                " (name varchar(100) PRIMARY KEY, number bigint NOT NULL, at timestamptz NOT NULL DEFAULT now())",
            "INSERT INTO " + meta + " (name, number) VALUES ('format', " + std::to_string(kFormat) +
                ") ON CONFLICT (name) DO NOTHING"};
  read_format = "SELECT number FROM " + meta + " WHERE name = 'format'";
  forget_writers = "DELETE FROM " + meta + " WHERE name LIKE 'writer/%' AND at < now() - interval '30 days'";
  size = "SELECT pg_total_relation_size('" + table + "'::regclass)";
}

const char* Statements::name(Statement statement) noexcept {
  static const auto names = [] {
    std::array<std::string, kStatements> out;
    for (size_t i = 0; i < kStatements; ++i) out[i] = "orbit" + std::to_string(i);
    return out;
  }();
  return names[static_cast<size_t>(statement)].c_str();
}

}  // namespace orbit::storage_postgres
