import { Controller, Get, HttpCode, Req, Res } from '@nestjs/common';
import { AllowAny } from '@branchline/access/route-access.js';
import { documented } from '@branchline/http/documented.js';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Store } from '../store/store.js';
import { OwnCertificate } from './own-certificate.js';
import { trustFile, trustPageFor, type TrustDocument } from './trust-documents.js';

/** The same page as behind the plain door, for whoever is through the browser's warning already. */
@documented('trust')
@Controller('trust')
@AllowAny('what a device needs before it can sign in; an authority is public')
export class TrustController {
  constructor(
    private readonly certificate: OwnCertificate,
    private readonly store: Store,
  ) {}

  @Get()
  page(@Req() { headers, socket }: FastifyRequest, @Res() reply: FastifyReply): void {
    const port = portOf(headers.host) ?? socket.localPort ?? 443;
    send(reply, trustPageFor(this.certificate, this.branchCode, { base: '/trust', host: headers.host, port }));
  }

  @Get('ca.crt')
  certificateDer(@Res() reply: FastifyReply): void {
    send(reply, trustFile(this.certificate, this.branchCode, 'ca.crt'));
  }

  @Get('ca.pem')
  certificatePem(@Res() reply: FastifyReply): void {
    send(reply, trustFile(this.certificate, this.branchCode, 'ca.pem'));
  }

  @Get('ca.mobileconfig')
  profile(@Res() reply: FastifyReply): void {
    send(reply, trustFile(this.certificate, this.branchCode, 'ca.mobileconfig'));
  }

  /** To be reached at all is the answer: a browser that does not trust us never gets here. */
  @Get('check')
  @HttpCode(204)
  check(@Res({ passthrough: true }) reply: FastifyReply): void {
    reply.header('access-control-allow-origin', '*');
  }

  private get branchCode(): string {
    return this.store.box.branchCode;
  }
}

function portOf(host: string | undefined): number | null {
  if (host === undefined || !URL.canParse(`https://${host}`)) return null;
  return Number(new URL(`https://${host}`).port || 443);
}

function send(reply: FastifyReply, { type, body, policy }: TrustDocument): void {
  if (policy !== undefined) reply.header('content-security-policy', policy);
  void reply.type(type).send(body);
}
