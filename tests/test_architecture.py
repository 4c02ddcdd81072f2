"""The rules that hold the package together, read from its source."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import frontpay_async
from frontpay_async import FrontPayError
from frontpay_async._protocol.operations import OPERATIONS, ORDER_KINDS, RESOURCES, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PACKAGE = Path(frontpay_async.__file__).parent
TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
SOURCES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
TEST_FILES = {path.relative_to(TESTS).as_posix(): path for path in sorted(TESTS.rglob("*.py"))}

TABLE = "_protocol/operations/"
BELOW_RESOURCES = {"filters", "find_order", "pages", "rate"}

# Who may import what; a name that ends in a slash stands for all below it.
MAY_IMPORT = {
    "httpx": {
        "cli/listen.py",
        "cli/doctor.py",
        "client.py",
        "_transport/aiohttp_engine.py",
        "_transport/connection_pool.py",
        "_transport/engines.py",
        "_transport/proxy.py",
        "_transport/tls.py",
        "_transport/http_connection.py",
        "_transport/concurrency_limit.py",
        "_transport/httpx_engine.py",
        "_transport/send.py",
        "sandbox/",
    },
    "aiohttp": {"_transport/aiohttp_engine.py", "callbacks/aiohttp.py"},
    "tenacity": {"_transport/retry.py"},
    "cattrs": {"batch/payload.py"},
    "anyio": {
        "_rate/",
        "_transport/",
        "batch/",
        "callbacks/answer.py",
        "order_files/files.py",
        "resources/find_order.py",
        "sandbox/",
        "watch/",
    },
    # The core also runs under trio.
    "asyncio": {
        "batch/procrastinate.py",
        "_transport/aiohttp_engine.py",
        "_transport/asyncio_wire.py",
        "_transport/auth.py",
        "_transport/deadline.py",
        "_transport/loop_guard.py",
        "_rate/redis.py",
        "cli/",
        "sandbox/",
    },
    "procrastinate": {"batch/procrastinate.py"},
    "redis": {"_rate/redis.py"},
    "starlette": {"sandbox/", "callbacks/starlette.py", "cli/listen.py"},
    "django": {"callbacks/django.py"},
    "asgiref": {"callbacks/django.py"},
    "opentelemetry": {"otel.py"},
    "click": {"cli/", "sandbox/__main__.py", "sandbox/command.py"},
    "rich": {"cli/"},
    "pytest": {"pytest_plugin.py"},
    "uvicorn": {"sandbox/"},
    "sqlalchemy": {
        "batch/__init__.py",
        "batch/journal.py",
        "batch/store.py",
        "batch/statements.py",
        "batch/all_accounts.py",
        "batch/encryption.py",
        "batch/schema.py",
        "batch/listings.py",
        "batch/transitions.py",
        "batch/upgrades.py",
    },
    "cryptography": {"batch/encryption.py"},
    # The clock is injected, so that no test waits for it.
    "random": {"_transport/clock.py", "sandbox/"},
    "time": {"_transport/clock.py", "batch/journal_file.py", "batch/schema.py", "sandbox/"},
    "secrets": {"batch/", "sandbox/"},
    "uuid": {"sandbox/"},
    "os": {"_rate/", "batch/", "cli/", "order_files/", "client.py", "settings.py", "_transport/", "sandbox/"},
    "socket": {"_transport/", "sandbox/", "cli/doctor.py"},
    "threading": {"_transport/", "batch/journal.py", "callbacks/replay.py", "otel.py", "sandbox/"},
    "subprocess": {"sandbox/"},
    "locale": set[str](),
}
# From the bottom up: a package imports from its own layer and those below it, for types alone or not.
LAYERS = (
    ("_checks", "_exact_json", "_version", "errors", "models", "priority", "settings"),
    ("_protocol",),
    ("_transport",),
    ("_rate",),
    ("_pipeline", "_session"),
    ("callbacks", "order_files", "resources", "watch"),
    ("client",),
    ("batch", "otel"),
    ("sandbox",),
    ("cli", "pytest_plugin"),
)
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}
# What a file that calls itself pure may import beside itself: not what reads, waits, or draws lots.
IMPURE = {
    "aiohttp", "anyio", "asyncio", "cryptography", "httpx", "httpx_aiohttp", "os", "pathlib", "random",
    "redis", "secrets", "socket", "sqlalchemy", "ssl", "starlette", "subprocess", "tenacity", "threading",
    "time", "uuid", "uvicorn",
}  # fmt: skip

# Signals between stages, beside those with an underscore; who catches one makes an error of ours from it.
SIGNALS = {"CredentialRenewed", "TransportFailure", "UnreadableError", "UnusualBody", "NotOursError"}

CONTRACT = """
    FrontPayClient ConnectionPool Environment RetryPolicy RateLimit RateStatistics Timeouts Priority
    Outcome DateFormat Clock AttemptRecord CallResult ResultRecord Product OrderSummary Address Customer
    CustomerType Language SendOrderBy InvoiceInterval PaymentLinkOrder InvoiceOrder EFakturaOrder
    EhfOrder TerminalOrder InvoiceReferences Refund TerminalRefund RefundLine OrderStatus PaymentStatus
    RefundStatus CreatedOrder CreatedTerminalOrder OrderStatusEntry OrderStatusReport OrderDetails
    OrderMatches InvoiceNumber Terminal Capture CaptureLine Charge CreatedReservation ReservationDetails
    ReservationEvent ReservationHistoryEntry ReservationOrder ReservationPayment ReservationPayments
    ReservationRefund ReservationSession ReservedProduct CreatedSubscription FailedOrderDetails
    FailedOrderEntry SubscriptionCycle SubscriptionDetails SubscriptionEntry SubscriptionOrder
    SubscriptionSession CheckoutLink CheckoutSession HostedCheckout InvoiceSession SessionReferences
    CorporateCustomerUpdate CustomerContact CustomerRecord PrivateCustomerUpdate CompanyCheck
    CreditCheck StartedCompanyCheck Page Pages ReservationStatus SubscriptionStatus CycleNotFoundError
    AlreadyCompletedError PrerequisiteFailedError CycleRejectedError CreditCheckRejectedError
    Listing PartialProduct PartialSummary
    RefundType OrderType RawResponse Safety
    FrontPayError ConfigurationError InvalidOrderError Violation NotSentError RateBudgetExceededError
    OutcomeUnknownError APIError AuthenticationError PermissionDeniedError NotFoundError
    RequestRejectedError BusinessRuleError AlreadyPaidError AlreadyCancelledError RefundRejectedError
    AlreadyPaidOrCancelledError AlreadyInvoicedError RateLimitedError ServerError TerminalBusyError
    CallbackError InvalidChecksumError StaleCallbackError ReplayedCallbackError WatchKind
    WatchStatistics WatchTimeoutError __version__
"""


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(parsed(path)))


@functools.cache
def imported(path: Path) -> set[str]:
    """Every module that a file imports, for types alone or not."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides what is imported"
            assert node.module is not None
            if node.module == "frontpay_async":
                found |= {f"frontpay_async.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


def allowed(name: str, places: set[str] | tuple[str, ...]) -> bool:
    return any(name == place or (place.endswith("/") and name.startswith(place)) for place in places)


def test_who_may_import() -> None:
    offenders = [
        f"{name} imports {module}"
        for name, path in SOURCES.items()
        for module in sorted({each.split(".")[0] for each in imported(path)} & MAY_IMPORT.keys())
        if not allowed(name, MAY_IMPORT[module])
    ]
    assert offenders == []


def module_of(name: str) -> str:
    return f"frontpay_async.{name.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"


def is_pure(name: str) -> bool:
    """Whether the first line of a file's docstring ends with the mark."""
    return (ast.get_docstring(parsed(SOURCES[name])) or "").split("\n")[0].endswith(" Pure.")


PURE = [name for name in SOURCES if is_pure(name)]


def for_types_alone(path: Path) -> set[ast.AST]:
    """The imports below ``if TYPE_CHECKING``."""
    return {
        inner
        for node in nodes(path)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }


@functools.cache
def imported_when_run(path: Path) -> set[str]:
    apart = for_types_alone(path)
    found: set[str] = set()
    for node in nodes(path):
        if node in apart:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def layer_of(name: str) -> int:
    return LAYER_OF[name.split("/", maxsplit=1)[0].removesuffix(".py")]


def test_nothing_imports_from_a_layer_above() -> None:
    above = [
        f"{name} imports {module}"
        for name, path in SOURCES.items()
        if name != "__init__.py"
        for module in sorted(imported(path))
        if module.startswith("frontpay_async.") and LAYER_OF.get(module.split(".")[1], 0) > layer_of(name)
    ]
    assert above == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """A package's ``__init__`` only collects its public names, so it is left out."""
    modules = {module_of(name): path for name, path in SOURCES.items() if not name.endswith("__init__.py")}
    graph = {module: imported_when_run(path) & modules.keys() for module, path in modules.items()}
    while leaves := [module for module, below in graph.items() if not below & graph.keys()]:
        for leaf in leaves:
            del graph[leaf]
    assert {module: below & graph.keys() for module, below in graph.items()} == {}


def test_the_wire_and_the_values_are_pure() -> None:
    expected = {name for name in SOURCES if name.startswith(("_protocol/", "models/"))}
    assert expected - set(PURE) == set()
    assert {
        "errors.py",
        "_rate/ledger.py",
        "watch/schedule.py",
        "batch/states.py",
        "batch/matching.py",
    } <= set(PURE)


def test_a_pure_file_does_no_io() -> None:
    impure = IMPURE | {
        module_of(other) for other in SOURCES if other not in PURE and not other.endswith("__init__.py")
    }
    offenders = [
        f"{name} imports {module}"
        for name in PURE
        for module in sorted(imported_when_run(SOURCES[name]))
        if module in impure or module.split(".")[0] in impure
    ]
    assert offenders == []


def test_the_pure_files_run_without_any_io_library() -> None:
    pure = sorted(
        {
            module_of(name)
            for name in PURE
            if not name.startswith(("batch/", "callbacks/", "cli/", "order_files/", "sandbox/"))
        }
    )
    script = "; ".join(["import sys", *(f"import {module}" for module in pure), "print(*sys.modules)"])
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603
    assert not {"httpx", "anyio", "tenacity", "aiohttp", "asyncio"} & set(run.stdout.split())


def test_a_resource_is_signature_docstring_and_one_call() -> None:
    """Nothing runs in a resource but the building of what the one call takes."""
    resources = {
        name: path
        for name, path in SOURCES.items()
        if name.startswith("resources/") and path.stem not in BELOW_RESOURCES
    }
    plain = {"__future__", "collections.abc", "typing", "attrs", "datetime", "decimal"}
    for name, path in resources.items():
        methods = [node for node in nodes(path) if isinstance(node, ast.AsyncFunctionDef)]
        awaits = {
            method.name: sum(isinstance(node, ast.Await) for node in ast.walk(method)) for method in methods
        }
        assert set(awaits.values()) <= {1}, name
        runtime = {module for module in imported(path) if not module.startswith("frontpay_async")}
        assert runtime <= plain, name


def public_methods(cls: type[object]) -> dict[str, Any]:
    return {
        name: method for name, method in vars(cls).items() if inspect.isfunction(method) and name[0] != "_"
    }


def class_of(resource: str) -> type[object]:
    """The class that offers a resource, by the one rule of names."""
    found: type[object] = getattr(
        importlib.import_module(f"frontpay_async.resources.{resource}"), resource.title().replace("_", "")
    )
    return found


def test_every_row_has_its_method_and_every_method_its_row() -> None:
    # Made of several requests: it has no row of its own, and its one call leads to what makes them.
    without_a_row = {"orders.find"}
    methods = {f"{resource}.{name}" for resource in RESOURCES for name in public_methods(class_of(resource))}
    assert methods == OPERATIONS.keys() | without_a_row
    assert len(OPERATIONS) == 51


def constants(path: Path) -> Iterator[str]:
    """Every text in a file that is a value of its own; prose and docstrings are none."""
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_nothing_is_keyed_by_the_name_of_an_operation_or_of_a_kind_of_order() -> None:
    """What is known of an operation is in its row: no other file spells a row's name out."""
    # A callback's payment methods have words in common with the kinds.
    kinds = ORDER_KINDS.keys() - {"invoice"}
    offenders = [
        f"{name}: {text!r}"
        for name, path in SOURCES.items()
        if not name.startswith(TABLE)
        for text in constants(path)
        if text in OPERATIONS or (text in kinds and name != "callbacks/checksum.py")
    ]
    assert offenders == []


def test_a_row_is_in_the_file_of_its_resource() -> None:
    """A new resource is a new file: each file with rows is known, and holds the rows of its name alone."""
    files = {
        Path(name).stem
        for name, path in SOURCES.items()
        if name.startswith(TABLE) and "Operation(" in path.read_text("utf-8")
    }
    assert files - {"row"} == set(RESOURCES)
    for resource in RESOURCES:
        assert {row.resource for row in OPERATIONS.of(resource).values()} == {resource}


def test_a_method_names_the_page_of_its_row() -> None:
    for name, row in OPERATIONS.items():
        resource, method = name.split(".")
        documented = public_methods(class_of(resource))[method]
        # A list in pages is iterated over; each page is a call.
        assert inspect.iscoroutinefunction(documented) is not row.paged, name
        assert f'(page "{row.reference}")' in (documented.__doc__ or ""), name
        if row.evidence is not Evidence.REFERENCE:
            assert f"Evidence: {row.evidence.value}." in (documented.__doc__ or ""), name


def modules() -> Iterator[ModuleType]:
    yield frontpay_async
    for found in pkgutil.walk_packages([str(PACKAGE)], "frontpay_async."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


@pytest.mark.integration  # it imports what needs the extras
def test_every_error_derives_from_the_root() -> None:
    """Outside the sandbox, which is a server and raises nothing at its callers."""
    ours = {
        cls
        for module in modules()
        if not module.__name__.startswith("frontpay_async.sandbox")
        for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, BaseException) and cls.__module__ == module.__name__
    }
    assert FrontPayError in ours
    strangers = {cls.__name__ for cls in ours if not issubclass(cls, FrontPayError)}
    assert {name for name in strangers if name[0] != "_"} <= SIGNALS


def test_the_public_names_are_the_contract() -> None:
    assert sorted(frontpay_async.__all__) == sorted(CONTRACT.split())
    assert [name for name in frontpay_async.__all__ if not hasattr(frontpay_async, name)] == []


def undocumented(name: str) -> Iterator[str]:
    """What lacks a docstring of its own: the class, a field in it, or a public member."""
    cls = getattr(frontpay_async, name)
    words = vars(cls).get("__doc__")
    if not words:
        yield name
        return
    for field in attrs.fields(cls) if attrs.has(cls) else ():
        shown = field.alias or field.name
        if field.init and f"\n    {shown}: " not in inspect.cleandoc(words):
            yield f"{name}({shown})"
    for member, value in vars(cls).items():
        documented = inspect.isfunction(value) or isinstance(value, (property, classmethod))
        if documented and member[0] != "_" and not value.__doc__:
            yield f"{name}.{member}"


def test_every_public_name_is_documented() -> None:
    """A class with a docstring of its own, a name for each field in it, and a docstring for each member."""
    names = [name for name in frontpay_async.__all__ if name != "__version__"]
    assert [lacking for name in names for lacking in undocumented(name)] == []


# These modules and packages are imported by their users under these names; ``docs/api.md`` lists them.
PUBLIC = {
    "batch/__init__.py", "batch/procrastinate.py", "callbacks/__init__.py", "callbacks/aiohttp.py",
    "callbacks/django.py", "callbacks/starlette.py", "order_files/__init__.py", "otel.py",
    "pytest_plugin.py", "sandbox/__init__.py",
}  # fmt: skip


def lists_names(path: Path) -> bool:
    return any(
        isinstance(target, ast.Name) and target.id == "__all__"
        for node in parsed(path).body
        if isinstance(node, ast.Assign)
        for target in node.targets
    )


def test_modules_say_what_they_are_and_only_public_ones_list_names() -> None:
    assert [name for name, path in SOURCES.items() if not ast.get_docstring(parsed(path))] == []
    assert [name for name, path in SOURCES.items() if lists_names(path) and name not in PUBLIC] == []


def api_pages() -> list[Path]:
    return [DOCS / "api.md", *sorted((DOCS / "api").glob("*.md"))]


def documented_names() -> set[str]:
    """The last part of each name that the pages describe, such as ``InvoiceBatch``."""
    directive = re.compile(r"auto(?:class|exception|function)::\s+frontpay_async\.([\w.]+)")
    return {
        name.split(".")[-1] for page in api_pages() for name in directive.findall(page.read_text("utf-8"))
    }


def private_functions(node: ast.AST, public: set[str], *, in_public: bool = False) -> Iterator[ast.AST]:
    """The functions that no page describes; a command's docstring is the help that it prints."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from private_functions(child, public, in_public=child.name in public)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            member = isinstance(node, ast.ClassDef)
            described = in_public and child.name[0] != "_" if member else child.name in public
            prints_it = any(".command(" in ast.unparse(each) for each in child.decorator_list)
            if not described and not prints_it:
                yield child
            yield from private_functions(child, public)
        else:
            yield from private_functions(child, public, in_public=in_public)


def test_only_public_names_have_docstrings_of_several_lines() -> None:
    """Its reasons are comments, and theory is in the docstring of its module or class."""
    public = documented_names()
    assert {"FrontPayClient", "InvoiceBatch", "read_csv"} <= public
    offenders = [
        f"{name}: {function.name}"
        for name, path in SOURCES.items()
        for function in private_functions(parsed(path), public)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        and "\n" in (ast.get_docstring(function) or "")
    ]
    assert offenders == []


def test_the_documentation_of_the_api_names_no_private_module() -> None:
    directive = re.compile(r"auto\w+::\s+(frontpay_async[\w.]*\._\w[\w.]*)")
    private = [name for page in api_pages() for name in directive.findall(page.read_text("utf-8"))]
    assert private == []


def test_what_a_public_class_has_for_this_package_is_not_documented() -> None:
    """Sphinx leaves out what is marked as private."""
    docstrings = [
        ast.get_docstring(node) or ""
        for path in SOURCES.values()
        for node in ast.walk(parsed(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    internal = [each for each in docstrings if "; for this package" in each.partition("\n")[0]]
    assert len(internal) > 3
    assert [each for each in internal if ":meta private:" not in each] == []


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def functions(path: Path) -> tuple[Function, ...]:
    return tuple(node for node in nodes(path) if isinstance(node, Function))


def all_tests(path: Path) -> list[Function]:
    return [function for function in functions(path) if function.name.startswith("test_")]


def dotted(node: ast.AST) -> str:
    """A name such as ``anyio.sleep``; what it is an attribute of is left out where that is no name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@functools.cache
def called(function: Function) -> frozenset[str]:
    """What a function calls, by its dotted name; ``assert`` where it asserts."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            found.add("assert")
        elif isinstance(node, ast.Call):
            found.add(dotted(node.func))
    return frozenset(found)


# A test can fail: it asserts, expects an error, or calls a function that does.
PROMISES = frozenset({"assert", "pytest.raises", "pytest.warns", "pytest.fail"})


def checks() -> frozenset[str]:
    """The functions beside the tests that can fail one."""
    return PROMISES | {
        function.name
        for path in TEST_FILES.values()
        for function in functions(path)
        if not function.name.startswith("test_") and called(function) & PROMISES
    }


def test_every_test_can_fail() -> None:
    failing = checks()
    offenders = [
        f"{name}: {test.name}"
        for name, path in TEST_FILES.items()
        for test in all_tests(path)
        if path.name.startswith("test_") and not called(test) & failing
    ]
    assert offenders == []
    empty = [
        name
        for name, path in TEST_FILES.items()
        if path.name.startswith("test_")
        and not all_tests(path)
        and "RuleBasedStateMachine" not in path.read_text("utf-8")
    ]
    assert empty == []


def test_no_mocks() -> None:
    """A double is a transport or a fake, written by hand."""
    mocks = {"mock", "unittest.mock"}
    assert [name for name, path in TEST_FILES.items() if imported(path) & mocks] == []


def test_no_test_sleeps() -> None:
    """To give way to another task is not to sleep."""
    offenders = [
        f"{name}: {test.name}"
        for name, path in TEST_FILES.items()
        for test in all_tests(path)
        if any(call.endswith(".sleep") for call in called(test))
        for node in ast.walk(test)
        if isinstance(node, ast.Call)
        and dotted(node.func).endswith(".sleep")
        and ast.unparse(node.args[0]) != "0"
    ]
    assert offenders == []


@pytest.mark.integration  # it imports what needs the extras
def test_the_typing_tests_can_be_imported() -> None:
    paths = sorted((TESTS / "typing").glob("*.py"))
    assert paths
    for path in paths:
        spec = importlib.util.spec_from_file_location(f"frontpay_typing_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.__name__ not in sys.modules
