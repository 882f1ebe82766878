import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";

interface Target {
  readonly Bucket: string;
  readonly Key: string;
}

/**
 * Write a stream of pieces (each 5 MiB at least, save for the last) as one object: in one request if there is one piece, else
 * as a multipart upload, with one piece in memory. If anything throws, the upload is aborted and no object appears.
 */
export async function uploadPieces(
  client: S3Client,
  target: Target,
  contentType: string,
  pieces: AsyncIterator<Uint8Array>,
): Promise<void> {
  const first = await pieces.next();
  const second = first.done ? first : await pieces.next();
  if (first.done || second.done) {
    const Body = first.done ? new Uint8Array() : first.value;
    await client.send(new PutObjectCommand({ ...target, Body, ContentType: contentType }));
    return;
  }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...target, ContentType: contentType }));
  const upload = { ...target, UploadId };
  try {
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    const send = async (Body: Uint8Array) => {
      const PartNumber = parts.length + 1;
      const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
      parts.push({ PartNumber, ETag });
    };
    await send(first.value);
    for (let piece: IteratorResult<Uint8Array> = second; !piece.done; piece = await pieces.next())
      await send(piece.value);
    await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }));
  } catch (error) {
    // Parts are paid for until the upload is aborted; if that fails as well, the first error is the one to tell.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
    throw error;
  }
}
