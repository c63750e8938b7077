/** What people are told in. */
export type Language = "zh" | "en";
