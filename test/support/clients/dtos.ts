import type { GoType } from "./go-json.ts";

/** What the platform's own back end answers, field by field: each answer of ours has all of it, in these types. */

const strings: GoType = { list: "string" };
const counts: GoType = { map: "int" };
const usage: GoType = {
  fields: {
    ...{ promptTokens: "int", completionTokens: "int", totalTokens: "int" },
    ...{ prompt_tokens: "int", completion_tokens: "int", total_tokens: "int" },
  },
};
const spent = { tokensUsed: "int", model: "string", usage } as const;
const text = { content: "string", ...spent } as const;

const position: GoType = { fields: { line: "int", column: "int", start: "int", end: "int", length: "int" } };
const issue = { type: "string", message: "string", position, originalText: "string" } as const;
const found: GoType = {
  fields: {
    ...{ id: "string", word: "string", category: "string", level: "string", position, context: "string" },
    ...{ suggestion: "string", reason: "string" },
  },
};
const audited: GoType = {
  fields: {
    ...{ byCategory: counts, byLevel: counts },
    ...{ highRiskCount: "int", mediumRiskCount: "int", lowRiskCount: "int" },
  },
};
const plot = { level: "int", title: "string", description: "string" } as const;
const metadata: GoType = { map: "any" };
const message: GoType = {
  fields: { id: "string", role: "string", content: "string", timestamp: "time", metadata },
};
const session: GoType = {
  fields: {
    ...{ id: "string", projectId: "string", title: "string", createdAt: "time", updatedAt: "time" },
    ...{ messageCount: "int", lastMessageAt: "time" },
  },
};

const quota: GoType = {
  fields: {
    ...{ id: "string", userId: "string", quotaType: "string" },
    ...{ totalQuota: "int", usedQuota: "int", remainingQuota: "int", status: "string", resetAt: "time" },
    metadata: {
      fields: {
        ...{ userRole: "string", membershipLevel: "string", lastConsumedAt: "time" },
        ...{ totalConsumptions: "int", averagePerDay: "float" },
      },
    },
    ...{ createdAt: "time", updatedAt: "time" },
  },
};

/** The envelope around data. */
export const enveloped = (data: GoType): GoType => ({
  fields: { code: "int", message: "string", data, timestamp: "int", request_id: "string" },
});

export const dtos = {
  generated: { fields: { ...text, finishReason: "string", generated_text: "string" } },
  continued: { fields: { ...text, generated_text: "string" } },
  rewritten: { fields: { ...text, changes: { list: "any" }, rewritten_text: "string" } },
  rewrittenText: { fields: { ...text, finishReason: "string", rewritten_text: "string" } },
  expandedText: { fields: { ...text, finishReason: "string", expanded_text: "string" } },
  polishedText: { fields: { ...text, finishReason: "string", polished_text: "string" } },
  bareText: {
    fields: {
      generated_text: "string",
      usage: { fields: { prompt_tokens: "int", completion_tokens: "int", total_tokens: "int" } },
      ...{ quota_remaining: "int", model: "string" },
    },
  },
  bareMessage: {
    fields: {
      message: "string",
      usage: { fields: { prompt_tokens: "int", completion_tokens: "int", total_tokens: "int" } },
      ...{ quota_remaining: "int", model: "string" },
    },
  },
  summary: {
    fields: {
      ...{ summary: "string", keyPoints: strings, originalLength: "int", summaryLength: "int" },
      ...{ compressionRate: "float", processedAt: "time", ...spent },
    },
  },
  chapterSummary: {
    fields: {
      ...{ chapterId: "string", chapterTitle: "string", summary: "string", keyPoints: strings },
      plotOutline: { list: { fields: { ...plot, children: { list: { fields: plot } } } } },
      characters: { list: { fields: { name: "string", role: "string", appearance: "string" } } },
      ...{ tokensUsed: "int", processedAt: "time" },
    },
  },
  proofreading: {
    fields: {
      originalContent: "string",
      issues: {
        list: {
          fields: {
            ...{ id: "string", ...issue, severity: "string" },
            ...{ suggestions: strings, category: "string", rule: "string" },
          },
        },
      },
      score: "float",
      statistics: {
        fields: {
          ...{ totalIssues: "int", errorCount: "int", warningCount: "int", suggestionCount: "int" },
          ...{ issuesByType: counts, wordCount: "int", characterCount: "int" },
        },
      },
      ...{ tokensUsed: "int", model: "string", processedAt: "time" },
    },
  },
  suggestions: {
    fields: {
      ...{ issueId: "string", ...issue },
      suggestions: { list: { fields: { text: "string", confidence: "float", reason: "string" } } },
      ...{ explanation: "string", examples: strings },
    },
  },
  audit: {
    fields: {
      ...{ checkId: "string", isSafe: "bool", totalMatches: "int", sensitiveWords: { list: found } },
      ...{ summary: audited, tokensUsed: "int", processedAt: "time" },
    },
  },
  keptAudit: {
    fields: {
      ...{ checkId: "string", content: "string", isSafe: "bool", matches: { list: found }, customWords: strings },
      ...{ summary: audited, createdAt: "time", expiresAt: "time" },
    },
  },
  chat: {
    fields: {
      ...{ sessionId: "string", message, reply: "string", contextUsed: "bool", responseTime: "int", ...spent },
    },
  },
  session,
  sessions: { list: session },
  history: {
    fields: {
      session,
      messages: { fields: { messages: { list: message }, total: "int", limit: "int", offset: "int" } },
    },
  },
  models: {
    list: { fields: { id: "string", name: "string", provider: "string", maxTokens: "int", costPer1k: "float" } },
  },
  providers: { list: { fields: { name: "string", displayName: "string", status: "string", models: strings } } },
  quota,
  quotas: { list: quota },
  quotaStatistics: {
    fields: {
      ...{ userId: "string", totalQuota: "int", usedQuota: "int", remainingQuota: "int", usagePercentage: "float" },
      ...{ totalTransactions: "int", dailyAverage: "float", quotaByType: counts, quotaByService: counts },
    },
  },
  transactions: {
    list: {
      fields: {
        ...{ id: "string", userId: "string", quotaType: "string", amount: "int", type: "string", service: "string" },
        ...{ model: "string", requestId: "string", description: "string", timestamp: "time" },
        ...{ beforeBalance: "int", afterBalance: "int" },
      },
    },
  },
} as const satisfies Record<string, GoType>;
