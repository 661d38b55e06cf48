import Foundation
import ParticleIO
import TestSupport
import Testing

@Suite(.serialized) struct OutputFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func anOldFileStaysUntilTheNewOneIsComplete() throws {
    let path = try folder.write("old", to: "out.txt")
    let output = try OutputFile(path: path)
    try output.append("new")
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
    try output.finish()
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
    #expect(try folder.names == ["out.txt"])
  }

  @Test func aFileThatCannotBeMadeIsNamed() {
    let path = folder.file("none/out.txt")
    #expect(
      message { _ = try OutputFile(path: path) }
        == "\(path): cannot be created: No such file or directory")
  }

  /// A limit on file sizes stands in for a full disk: the system refuses a write in the same way.
  @Test func aRefusedWriteNamesTheFileAndLeavesNothing() throws {
    signal(SIGXFSZ, SIG_IGN)
    var before = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &before)
    var limit = before
    limit.rlim_cur = 16 << 20
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    defer { setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &before) }
    let path = folder.file("big.npy")
    let text = message {
      try NPY.write([Float](repeating: 1, count: 5 << 20), shape: [5 << 20], to: path)
    }
    #expect(text == "\(path): cannot be written: File too large")
    #expect(try folder.names == [])
  }
}
