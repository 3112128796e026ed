import { Controller, Get, Headers, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { AllowAny } from '@branchline/access/route-access.js';
import { problem } from '@branchline/http/problem.js';
import type { FastifyReply } from 'fastify';
import { PageFiles } from './page-files.js';

/** Its own scripts and styles from this host, nothing inline, no other host, in nobody's frame. */
const CSP_PAGE =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The page of head office: the same for everybody, and empty until somebody has signed in. */
@ApiExcludeController()
@Controller()
export class PageController {
  private readonly files = new PageFiles();

  @Get()
  @AllowAny('the page bears no data: what it shows it asks for as the person who signed in')
  page(@Headers('if-none-match') known: string | undefined, @Res() reply: FastifyReply): Promise<void> {
    return this.send('index.html', known, reply);
  }

  @Get('console/:file')
  @AllowAny('scripts and styles of the page, the same for everybody')
  file(
    @Param('file') name: string,
    @Headers('if-none-match') known: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.send(name, known, reply);
  }

  private async send(name: string, known: string | undefined, reply: FastifyReply): Promise<void> {
    const file = await this.files.file(name);
    if (file === undefined) throw problem('not-found');
    // Asked again each time, answered with "as you have it": a new release is a new page at once.
    void reply.headers({ 'content-security-policy': CSP_PAGE, 'cache-control': 'no-cache', etag: file.etag });
    if (known === file.etag) await reply.code(304).send();
    else await reply.type(file.contentType).send(file.bytes);
  }
}
