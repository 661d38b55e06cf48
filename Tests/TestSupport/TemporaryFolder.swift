import Foundation

/// A folder of its own for one test, removed when the test lets go of it.
public final class TemporaryFolder {
  public let path: String
  private let isOwn: Bool

  public init() throws {
    isOwn = true
    path =
      FileManager.default.temporaryDirectory.appending(path: "kindred-tests-\(UUID().uuidString)")
      .path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// The folder of another rank, which removes it.
  public init(ofAnother path: String) { (self.path, isOwn) = (path, false) }

  deinit { if isOwn { try? FileManager.default.removeItem(atPath: path) } }

  public func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file and returns its path.
  @discardableResult
  public func write(_ text: String, to name: String) throws -> String {
    try write(Array(text.utf8), to: name)
  }

  @discardableResult
  public func write(_ bytes: [UInt8], to name: String) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    return file(name)
  }

  public func write(_ data: Data, to name: String) throws {
    try data.write(to: URL(fileURLWithPath: file(name)))
  }

  public func data(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: file(name)))
  }

  public func text(_ name: String) throws -> String {
    String(decoding: try data(name), as: UTF8.self)
  }

  /// The names of what a folder in this one holds; none where it is missing.
  public func names(in folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: file(folder)))?.sorted() ?? []
  }

  public var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  }
}
