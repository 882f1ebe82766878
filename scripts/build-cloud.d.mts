export const cloudFolder: string;
export const functions: Readonly<Record<string, { readonly native?: boolean }>>;
export function buildFunctions(folder?: string): Promise<void>;
export function buildCloud(options?: {
  readonly models?: readonly string[];
  readonly functionsOnly?: boolean;
}): Promise<void>;
export function isCloudFresh(models?: readonly string[]): boolean;
export function folderBytes(folder: string): number;
export const lambdaBytes: number;
export function checkQuickSize(folder?: string): void;
