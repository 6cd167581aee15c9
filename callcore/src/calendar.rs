//! Swedish days: red days, the free eves, and jourtid (on-call hours). Source: `data/holidays.csv`, `data/jourtid.csv`.
