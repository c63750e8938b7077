import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { AIService, file_qingyu_ai_ai_service as file } from "../src/gen/qingyu/ai/ai_service_pb.ts";

/**
 * The contract as deployed services speak it: number, name and type of every field. `[]` repeated,
 * `?` explicit presence, s string, i32, i64, f float, b bool, `map` is map<string, string>, `map<f>` map<string, float>.
 */
const messages = `
GenerateContentRequest: 1 project_id s; 2 chapter_id s; 3 prompt s; 4 options GenerateOptions; 100 messages []ChatMessage; 101 user_id s
GenerateOptions: 1 model s; 2 max_tokens i32; 3 temperature f; 4 stop []s; 5 stream b; 100 top_p ?f; 101 seed ?i64; 102 presence_penalty ?f; 103 frequency_penalty ?f; 104 response_format ?s
GenerateContentResponse: 1 content s; 2 tokens_used i32; 3 model s; 4 generated_at i64; 100 finish_reason s; 101 usage TokenUsage; 102 knowledge s
ChatMessage: 1 role s; 2 content s; 3 name s
TokenUsage: 1 prompt_tokens i32; 2 completion_tokens i32; 3 total_tokens i32
GenerateContentChunk: 1 delta s; 2 model s; 3 finish_reason s; 4 usage TokenUsage; 5 knowledge s
RAGQueryRequest: 1 query s; 2 project_id s; 3 filters RAGFilters; 4 top_k i32
RAGFilters: 1 doc_types []s; 2 character_ids []s; 3 timeline_ids []s; 4 chapter_ids []s
RAGQueryResponse: 1 results []RAGResult; 2 total i32
RAGResult: 1 id s; 2 content s; 3 score f; 4 doc_type s; 5 metadata map
ContextRequest: 1 project_id s; 2 chapter_id s; 3 task_type s
ContextResponse: 1 task_type s; 2 context WorkspaceContext; 3 token_count i32
WorkspaceContext: 1 previous_chapters []ChapterSummary; 2 active_characters []CharacterInfo; 3 timeline_events []TimelineEvent; 4 outline_nodes []OutlineNode; 5 world_settings WorldSettings
ChapterSummary: 1 id s; 2 title s; 3 summary s; 4 order i32
CharacterInfo: 1 id s; 2 name s; 3 alias []s; 4 summary s; 5 traits []s; 6 background s
TimelineEvent: 1 id s; 2 title s; 3 description s; 4 impact s; 5 participants []s
OutlineNode: 1 id s; 2 title s; 3 description s; 4 level i32
WorldSettings: 1 id s; 2 name s; 3 description s; 4 settings map
AgentExecutionRequest: 1 workflow_type s; 2 project_id s; 3 parameters map
AgentExecutionResponse: 1 execution_id s; 2 status s; 3 result s; 4 errors []s; 5 tokens_used i32
EmbedRequest: 1 texts []s; 2 model s
EmbedResponse: 1 embeddings []Embedding
Embedding: 1 vector []f; 2 dimension i32
HealthCheckRequest:
HealthCheckResponse: 1 status s; 2 checks map
CreativeWorkflowRequest: 1 task s; 2 user_id s; 3 project_id s; 4 max_reflections i32; 5 enable_human_review b; 6 workspace_context map
CreativeWorkflowResponse: 1 execution_id s; 2 review_passed b; 3 reflection_count i32; 4 outline OutlineData; 5 characters CharactersData; 6 plot PlotData; 7 diagnostic_report DiagnosticReportData; 8 reasoning []s; 9 execution_times map<f>; 10 tokens_used i32
OutlineRequest: 1 task s; 2 user_id s; 3 project_id s; 4 workspace_context map; 5 correction_prompt s
OutlineResponse: 1 outline OutlineData; 2 execution_time f
OutlineData: 1 title s; 2 genre s; 3 core_theme s; 4 target_audience s; 5 estimated_total_words i32; 6 chapters []ChapterData; 7 story_arc StoryArc
ChapterData: 1 chapter_id i32; 2 title s; 3 summary s; 4 key_events []s; 5 characters_involved []s; 6 conflict_type s; 7 emotional_tone s; 8 estimated_word_count i32; 9 chapter_goal s; 10 cliffhanger s
StoryArc: 1 setup []i32; 2 rising_action []i32; 3 climax []i32; 4 falling_action []i32; 5 resolution []i32
CharactersRequest: 1 task s; 2 user_id s; 3 project_id s; 4 outline OutlineData; 5 workspace_context map; 6 correction_prompt s
CharactersResponse: 1 characters CharactersData; 2 execution_time f
CharactersData: 1 characters []CharacterData; 2 relationship_network RelationshipNetwork
CharacterData: 1 character_id s; 2 name s; 3 role_type s; 4 importance s; 5 age i32; 6 gender s; 7 appearance s; 8 personality PersonalityData; 9 background BackgroundData; 10 motivation s; 11 relationships []RelationshipData; 12 development_arc DevelopmentArc; 13 role_in_story s; 14 first_appearance i32; 15 chapters_involved []i32
PersonalityData: 1 traits []s; 2 strengths []s; 3 weaknesses []s; 4 core_values s; 5 fears s
BackgroundData: 1 summary s; 2 family s; 3 education s; 4 key_experiences []s
RelationshipData: 1 character s; 2 relation_type s; 3 description s; 4 dynamics s
DevelopmentArc: 1 starting_point s; 2 turning_points []s; 3 ending_point s; 4 growth_theme s
RelationshipNetwork: 1 alliances []Alliance; 2 conflicts []Conflict; 3 mentorships []Mentorship
Alliance: 1 members []s
Conflict: 1 parties []s
Mentorship: 1 mentor s; 2 student s
PlotRequest: 1 task s; 2 user_id s; 3 project_id s; 4 outline OutlineData; 5 characters CharactersData; 6 workspace_context map; 7 correction_prompt s
PlotResponse: 1 plot PlotData; 2 execution_time f
PlotData: 1 timeline_events []TimelineEventData; 2 plot_threads []PlotThread; 3 conflicts []ConflictData; 4 key_plot_points KeyPlotPoints
TimelineEventData: 1 event_id s; 2 timestamp s; 3 location s; 4 title s; 5 description s; 6 participants []s; 7 event_type s; 8 impact EventImpact; 9 causes []s; 10 consequences []s; 11 chapter_id i32
EventImpact: 1 on_plot s; 2 on_characters map; 3 emotional_impact s
PlotThread: 1 thread_id s; 2 title s; 3 description s; 4 type s; 5 events []s; 6 starting_event s; 7 climax_event s; 8 resolution_event s; 9 characters_involved []s
ConflictData: 1 conflict_id s; 2 type s; 3 parties []s; 4 description s; 5 escalation_events []s; 6 resolution_event s
KeyPlotPoints: 1 inciting_incident s; 2 plot_point_1 s; 3 midpoint s; 4 plot_point_2 s; 5 climax s; 6 resolution s
DiagnosticReportData: 1 passed b; 2 quality_score i32; 3 issues []DiagnosticIssue; 4 correction_strategy s; 5 affected_agents []s; 6 reasoning_chain []s
DiagnosticIssue: 1 id s; 2 severity s; 3 category s; 4 sub_category s; 5 title s; 6 description s; 7 root_cause s; 8 affected_entities []s; 9 impact s
StoryContextRequest: 1 project_id s; 2 document_id s; 3 mode s; 4 instruction s; 5 selected_text s; 6 assembled_prompt s; 7 options GenerateOptions
StoryContextResponse: 1 content s; 2 tokens_used i32; 3 model s; 4 generated_at i64; 5 context_stats StoryContextStats
StoryContextStats: 1 stage_tokens i32; 2 outline_tokens i32; 3 rag_tokens i32; 4 total_tokens i32`;

const methods = `
GenerateContent(GenerateContentRequest) returns (GenerateContentResponse)
QueryKnowledge(RAGQueryRequest) returns (RAGQueryResponse)
GetContext(ContextRequest) returns (ContextResponse)
ExecuteAgent(AgentExecutionRequest) returns (AgentExecutionResponse)
ExecuteCreativeWorkflow(CreativeWorkflowRequest) returns (CreativeWorkflowResponse)
GenerateOutline(OutlineRequest) returns (OutlineResponse)
GenerateCharacters(CharactersRequest) returns (CharactersResponse)
GeneratePlot(PlotRequest) returns (PlotResponse)
EmbedText(EmbedRequest) returns (EmbedResponse)
HealthCheck(HealthCheckRequest) returns (HealthCheckResponse)
StoryWrite(StoryContextRequest) returns (StoryContextResponse)
StreamGenerateContent(GenerateContentRequest) returns (stream GenerateContentChunk)`;

const lines = (table: string) => table.trim().split("\n").sort();

const scalars: Partial<Record<ScalarType, string>> = {
  [ScalarType.STRING]: "s",
  [ScalarType.INT32]: "i32",
  [ScalarType.INT64]: "i64",
  [ScalarType.FLOAT]: "f",
  [ScalarType.BOOL]: "b",
};

/** A field's type in the table's notation. */
function typeOf(field: DescField): string {
  switch (field.fieldKind) {
    case "scalar":
      return `${field.presence === FeatureSet_FieldPresence.EXPLICIT ? "?" : ""}${scalars[field.scalar]}`;
    case "message":
      return field.message.name;
    case "list":
      return `[]${field.listKind === "scalar" ? scalars[field.scalar] : field.message?.name}`;
    case "map": {
      const value = field.mapKind === "scalar" ? scalars[field.scalar] : undefined;
      return value === "s" ? "map" : `map<${value}>`;
    }
    default:
      return field.fieldKind;
  }
}

function lineOf({ name, fields }: DescMessage): string {
  const list = fields.map((field) => `${field.number} ${field.name} ${typeOf(field)}`).join("; ");
  return list === "" ? `${name}:` : `${name}: ${list}`;
}

it("has every message and field as the contract numbers them, and no other", () => {
  expect(file.messages.map(lineOf).sort()).toEqual(lines(messages));
  expect([file.enums, file.extensions]).toEqual([[], []]);
});

it("has every RPC with its messages, and no other", () => {
  const rpcs = AIService.methods.map(({ name, input, output, methodKind }) => {
    const stream = { unary: "", server_streaming: "stream ", client_streaming: "?", bidi_streaming: "?" }[methodKind];
    return `${name}(${input.name}) returns (${stream}${output.name})`;
  });
  expect(rpcs.sort()).toEqual(lines(methods));
  expect(AIService.typeName).toBe("qingyu.ai.AIService");
});

it("names fields in JSON as proto3 does by default", () => {
  for (const { fields } of file.messages) {
    for (const { name, jsonName } of fields) {
      expect(jsonName).toBe(name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()));
    }
  }
});
