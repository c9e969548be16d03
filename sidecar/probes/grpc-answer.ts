/** What an answer of `grpc.health.v1.Health/Check` says of the service. Pure: it was read elsewhere. */
import { decodeAnswer, SERVING_STATUSES } from './grpc-message.js';
import { failing, passing, type Verdict } from './verdict.js';

export interface GrpcAnswer {
  readonly httpStatus: number;
  readonly contentType: string | undefined;
  /** As sent, in the trailers or, where there is no body, in the headers. */
  readonly grpcStatus: string | undefined;
  /** Percent-encoded, as sent. */
  readonly grpcMessage: string | undefined;
  readonly body: Buffer;
}

/** The status codes of gRPC, each at its number. */
const CODES = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND'],
  ...['ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED'],
  ...['OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
];

export function judgeAnswer(answer: GrpcAnswer, service: string): Verdict {
  const { httpStatus, contentType, grpcStatus, body } = answer;
  if (httpStatus !== 200) return failing(`expected an answer of gRPC, got HTTP status ${httpStatus}`);
  if (grpcStatus === undefined && !contentType?.startsWith('application/grpc')) {
    return failing(`expected the content type application/grpc, got "${contentType ?? ''}"`);
  }
  if (grpcStatus === undefined) return failing('expected a grpc-status at the end of the answer, got none');
  if (grpcStatus !== '0') return failing(refusal(answer, service));
  const status = decodeAnswer(body);
  if (status === undefined) return failing(`expected a HealthCheckResponse, got ${body.length} other bytes`);
  const said = `${service || 'the server'} is ${SERVING_STATUSES[status] ?? `in status ${status}`}`;
  return SERVING_STATUSES[status] === 'SERVING' ? passing(said) : failing(said);
}

/** The two that a wrong configuration leads to are explained; of the rest the server's own words are shown. */
function refusal({ grpcStatus, grpcMessage = '' }: GrpcAnswer, service: string): string {
  const code = CODES[Number(grpcStatus)] ?? `grpc-status ${grpcStatus}`;
  if (code === 'UNIMPLEMENTED') return `${code}: the server does not serve grpc.health.v1.Health`;
  if (code === 'NOT_FOUND') return `${code}: the server knows no health of "${service}"`;
  return grpcMessage === '' ? code : `${code}: ${percentDecoded(grpcMessage)}`;
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
