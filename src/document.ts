/** A text of a project by its ids, as the platform and the knowledge base know it. */
export interface DocumentRef {
  readonly projectId?: string;
  readonly documentId: string;
}

/** What is read of it: plain text, never blank. */
export interface DocumentText {
  /** Absent where nobody has said it. */
  readonly title?: string;
  readonly text: string;
}
