import { create } from "@bufbuild/protobuf";
import { StoryContextRequestSchema } from "../../gen/qingyu/ai/ai_service_pb.ts";
import { endOf } from "../../pieces.ts";
import type { RpcAnswer, RpcRequest } from "../../rpc.ts";
import { messageAs } from "../../rpcs/rpc.ts";
import type { Gateway, Upstream } from "../../upstream.ts";

/** So much of a document's end is what is gone on from. In UTF-16 units. */
const maxUnits = 6_000;

/** What needs a text to go on from, or to speak about. */
const aboutText: ReadonlySet<string> = new Set(["continue", "suggest"]);

/**
 * Lets a story that is to go on from no passage go on from the end of its document, as the platform has it. Where the platform
 * gives none, who writes must know it.
 */
export function fromItsDocument(
  write: Upstream<RpcRequest, RpcAnswer>,
  { platformText }: Pick<Gateway, "platformText">,
): Upstream<RpcRequest, RpcAnswer> {
  return async (request, call) => {
    const story = messageAs(StoryContextRequestSchema, request.message);
    if (!aboutText.has(story.mode) || story.selectedText.trim() !== "") return await write(request, call);
    const { projectId, documentId } = story;
    const found = await platformText({ projectId, documentId }, call);
    if (!found) return await write(request, call);
    const selectedText = lastPart(found.text);
    return await write({ ...request, message: create(StoryContextRequestSchema, { ...story, selectedText }) }, call);
  };
}

/** From the beginning of a paragraph, where there is one. */
function lastPart(text: string): string {
  if (text.length <= maxUnits) return text;
  const end = endOf(text, maxUnits);
  const line = end.indexOf("\n") + 1;
  return line > 0 && line < end.length / 2 ? end.slice(line) : end;
}
