/** @throws Error that names the file and the status */
export async function fetchOk(address: string): Promise<Response> {
  const response = await fetch(address);
  if (response.ok) return response;
  throw new Error(
    `${decodeURIComponent(address.slice(address.lastIndexOf("/") + 1))} cannot be had (${response.status}).`,
  );
}

export async function fetchBytes(address: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fetchOk(address)).arrayBuffer());
}

/** @throws Error also when it is no picture that this browser can show */
export async function fetchPicture(address: string, options: ImageBitmapOptions = {}): Promise<ImageBitmap> {
  return createImageBitmap(await (await fetchOk(address)).blob(), options);
}
