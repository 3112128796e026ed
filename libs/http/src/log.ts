import { ConsoleLogger, type LogLevel, type LoggerService } from '@nestjs/common';

const LEVELS: readonly LogLevel[] = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'];

/**
 * Fields that never reach a log, at whatever depth. A bare `code` is not among them: it would hide ECONNREFUSED and every
 * problem code; an enrolment code stands in a body or an input.
 */
const SECRET_FIELDS: string[] = [
  'token',
  'accessToken',
  'refreshToken',
  'deviceToken',
  'pin',
  'password',
  'totp',
  'enrolmentCode',
  'body.code',
  'input.code',
  'pepper',
  'secret',
  'authorization',
  'cookie',
];

/** Standard output belongs to what a program answers: the line that says it is ready, the result of a command. */
class StderrLogger extends ConsoleLogger {
  protected override printAsJson(message: unknown, options: Parameters<ConsoleLogger['printAsJson']>[1]): void {
    super.printAsJson(message, { ...options, writeStreamType: 'stderr' });
  }
}

/**
 * JSON lines on standard error, one record each. `level` is the least urgent one shown (LOG_LEVEL, default `log`).
 *
 * @throws Error for a level that does not exist
 */
export function createLogger(program: string, level: string = process.env['LOG_LEVEL'] ?? 'log'): LoggerService {
  return new StderrLogger(program, {
    json: true,
    logLevels: levelsFrom(level),
    redact: { paths: SECRET_FIELDS, censor: '[redacted]' },
  });
}

function levelsFrom(level: string): LogLevel[] {
  const last = LEVELS.findIndex((known) => known === level);
  if (last === -1) throw new Error(`LOG_LEVEL: ${level} is none of ${LEVELS.join(', ')}`);
  return LEVELS.slice(0, last + 1);
}
