import ParticleIO
import Testing

@testable import Execution
@testable import ImageModel
@testable import kindred

/// The numbers of `--noise-variance` and the like, without a run of the program.
@Suite struct ModelArgumentsTests {
  /// Pixels of 2.5 A, a box of 40 A.
  private static let set = ParticleSet(
    starFile: "particles.star", stacks: [], opticsGroups: [], particles: [], hasCTF: true,
    boxSize: 16, pixelSize: 2.5)

  private static func options(_ arguments: [String]) throws -> ModelOptions {
    try ModelArguments.parse(arguments).options(for: set)
  }

  @Test(
    "Each rule has its message",
    arguments: [
      ("--defocus-groups=0", "--defocus-groups is 0; at least 1 is needed"),
      ("--threads=0", "--threads is 0; at least 1 is needed"),
      ("--noise-variance=0", "--noise-variance is 0.0; a positive number is needed"),
      ("--noise-variance=-1", "--noise-variance is -1.0; a positive number is needed"),
      ("--noise-variance=nan", "--noise-variance is nan; a positive number is needed"),
      ("--noise-variance=inf", "--noise-variance is inf; a positive number is needed"),
      (
        "--radius=4.99",
        "--radius is 4.99 A; from two pixels (5.0 A) to half the box (20.0 A) is needed"
      ),
      (
        "--radius=20.01",
        "--radius is 20.01 A; from two pixels (5.0 A) to half the box (20.0 A) is needed"
      ),
      (
        "--radius=nan",
        "--radius is nan A; from two pixels (5.0 A) to half the box (20.0 A) is needed"
      ),
      (
        "--band-limit=4.99",
        "--band-limit is 4.99 A; at least two pixels of 2.5 A are needed"
      ),
      ("--band-limit=nan", "--band-limit is nan A; at least two pixels of 2.5 A are needed"),
      ("--band-limit=inf", "--band-limit is inf A; at least two pixels of 2.5 A are needed"),
    ])
  func refused(argument: String, message: String) {
    let error = #expect(throws: (any Error).self) { _ = try Self.options([argument]) }
    #expect(error.map(ErrorText.text) == message)
  }

  @Test("The numbers at each rule's boundary are accepted, in pixels")
  func accepted() throws {
    let plain = try Self.options([])
    #expect(plain.radius == nil && plain.bandLimit == nil && plain.noiseVariance == nil)
    #expect(plain.defocusGroups == 20 && plain.noise == .radial && plain.threads == 1)
    #expect(!plain.isStrict && !plain.keepsContrast)
    #expect(try Self.options(["--radius=5"]).radius == 2)
    #expect(try Self.options(["--radius=20"]).radius == 8)
    #expect(try Self.options(["--band-limit=5"]).bandLimit == 0.5)
    #expect(try Self.options(["--band-limit=25"]).bandLimit == 0.1)
    #expect(try Self.options(["--noise-variance=1e-300"]).noiseVariance == 1e-300)
    #expect(try Self.options(["--noise=white"]).noise == .white)
    #expect(try Self.options(["--keep-contrast"]).keepsContrast)
    #expect(try Self.options(["--defocus-groups=1"]).defocusGroups == 1)
    #expect(try Self.options(["--threads=3", "--strict"]).threads == 3)
    #expect(try Self.options(["--strict"]).isStrict)
  }
}
