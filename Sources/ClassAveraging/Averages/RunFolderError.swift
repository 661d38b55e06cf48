/// Why a run may not have a folder.
public enum RunFolderError: Error, Equatable, Sendable {
  /// It holds a run, of which `file` is one, and nobody said that it may be replaced.
  case holdsRun(folder: String, file: String)
}
