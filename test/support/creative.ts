/** What a good language model writes: small, and whole by all rules. */
export const outline = {
  title: "青羽",
  genre: "玄幻",
  coreTheme: "归来",
  targetAudience: "青年",
  estimatedTotalWords: 100_000,
  chapters: [
    {
      chapterId: 1,
      title: "夜雨",
      summary: "雨夜里他回来了。",
      keyEvents: ["归来"],
      charactersInvolved: ["青羽"],
      conflictType: "人物冲突",
      emotionalTone: "压抑",
      estimatedWordCount: 3000,
      chapterGoal: "开场",
      cliffhanger: "门开了",
    },
    { chapterId: 2, title: "晨光", summary: "天亮了。" },
  ],
  storyArc: { setup: [1], climax: [2] },
};

export const characters = {
  characters: [
    {
      characterId: "c1",
      name: "青羽",
      roleType: "protagonist",
      age: 18,
      relationships: [{ character: "墨白", relationType: "friend" }],
      firstAppearance: 1,
      chaptersInvolved: [1, 2],
    },
    { characterId: "c2", name: "墨白" },
  ],
  relationshipNetwork: { alliances: [{ members: ["青羽", "墨白"] }] },
};

export const plot = {
  timelineEvents: [
    {
      eventId: "e1",
      title: "归来",
      eventType: "铺垫",
      impact: { onPlot: "开始", onCharacters: { 青羽: "醒悟" } },
      chapterId: 1,
    },
  ],
  plotThreads: [{ threadId: "t1", title: "主线", type: "main", events: ["e1"] }],
  conflicts: [{ conflictId: "k1", type: "人物冲突", parties: ["青羽", "命运"], escalationEvents: ["e1"] }],
};
