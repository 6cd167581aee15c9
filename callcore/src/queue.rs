//! A queue: callers in order of arrival, agents longest idle first.
