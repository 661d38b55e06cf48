import Foundation

/// Data that the project does not hold; tests that need them are skipped where they are absent.
public enum SharedData {
  public static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("../shared/data").standardized.path

  public static var isPresent: Bool {
    FileManager.default.fileExists(atPath: path + "/README.md")
  }
}
