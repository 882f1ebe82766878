"""moto's server, with what it lacks for this project's stack put in. Test support only.

    python launch_moto.py --port 5001 --front 5002

`--port` is where moto listens; `--front` is the proxy that stands before it (proxy.ts), to which moto's own clients
(Step Functions' calls of Lambda, Batch and S3) have to go. Prints "moto is ready" when it listens.

Each change below names the gap of moto 5.2.1 that it closes. What is changed is moto's, never the project's template.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
import threading
import time
import traceback
import uuid
from typing import Any, Callable


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--front", type=int, required=True)
    parser.add_argument(
        "--time-scale",
        type=float,
        default=1.0,
        help="Waits of Step Functions (Retry intervals, Wait states) are multiplied by this.",
    )
    return parser.parse_args()


def execute_state_machines() -> None:
    """Step Functions: run state machines (off by default), also those that CloudFormation made."""
    import moto.stepfunctions.models as plain
    from moto.core.config import default_user_config
    from moto.stepfunctions.parser.backend.execution import Execution
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    # CloudFormation's create, update and delete look this name up in its module.
    plain.stepfunctions_backends = stepfunctions_parser_backends

    # StartExecution copies the state machine, its executions and their threads with it, which fails from the second on.
    Execution.__deepcopy__ = lambda self, memo: self

    # Two requests at once may both find that a name is free.
    backend = type(stepfunctions_parser_backends["123456789012"]["us-east-1"])
    start = backend.start_execution
    one_at_a_time = threading.RLock()

    def start_execution(self: Any, *args: Any, **kwargs: Any) -> Any:
        with one_at_a_time:
            return start(self, *args, **kwargs)

    backend.start_execution = start_execution


def scale_waits(scale: float) -> None:
    """Step Functions: Retry intervals and Wait states pass faster, so that a test need not wait minutes."""
    import moto.stepfunctions.parser.asl.component.common.retry.retrier_decl as retrier
    from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

    class ScaledTime:
        @staticmethod
        def sleep(seconds: float) -> None:
            time.sleep(seconds * scale)

    retrier.time = ScaledTime
    wait_interval = WaitFunction._wait_interval

    def scaled(self: Any, env: Any, wait_seconds: float) -> None:
        wait_interval(self, env, wait_seconds * scale)

    WaitFunction._wait_interval = scaled


def restore_case_of_batch_parameters() -> None:
    """Step Functions: SubmitJob's members are PascalCase in a state machine, camelCase in the API; results the reverse."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_batch import (
        StateTaskServiceBatch,
    )

    # Keys within these are the user's own names.
    own_names = {"parameters", "tags"}

    def recase(value: Any, change: Callable[[str], str]) -> None:
        """In place, as the caller goes on with parts of what it had."""
        if isinstance(value, list):
            for part in value:
                recase(part, change)
        elif isinstance(value, dict):
            for key in list(value):
                part = value.pop(key)
                value[change(key[:1]) + key[1:]] = part
                if key.lower() not in own_names:
                    recase(part, change)

    def normalise_parameters(self: Any, parameters: Any, *_: Any, **__: Any) -> None:
        recase(parameters, str.lower)

    def normalise_response(self: Any, response: Any, *_: Any, **__: Any) -> None:
        recase(response, str.upper)

    StateTaskServiceBatch._normalise_parameters = normalise_parameters
    StateTaskServiceBatch._normalise_response = normalise_response

    # moto's list of SubmitJob's members is older than share identifiers.
    import moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_batch as module

    module._SUPPORTED_API_PARAM_BINDINGS["submitjob"] |= {
        "ShareIdentifier",
        "SchedulingPriorityOverride",
        "PropagateTags",
    }


def deploy_batch_by_cloudformation() -> None:
    """Batch in CloudFormation: "managed" in small letters, a default service role, and Fn::GetAtt of the Arns."""
    from moto.batch.models import ComputeEnvironment, JobDefinition, JobQueue, batch_backends
    from moto.batch.utils import lowercase_first_key

    def create(cls: Any, resource_name: str, cloudformation_json: dict, account_id: str, region_name: str, **_: Any) -> Any:
        backend = batch_backends[account_id][region_name]
        properties = cloudformation_json["Properties"]
        role = properties.get("ServiceRole")
        if role is None:
            name = "AWSServiceRoleForBatch"
            iam = backend.iam_backend
            found = [known for known in iam.roles.values() if known.name == name]
            role = (found[0] if found else iam.create_role(name, "{}", "/aws-service-role/batch.amazonaws.com/", None, "", [], "3600")).arn
        resources = lowercase_first_key(properties["ComputeResources"])
        # moto starts instances of these, of types that it may not know; nothing runs on them here.
        resources["minvCpus"] = resources["desiredvCpus"] = 0
        declared = properties.get("Type", "MANAGED").upper()
        environment = ComputeEnvironment(
            resource_name, declared, properties.get("State", "ENABLED"), resources, role, account_id, region_name
        )
        backend._compute_environments[environment.arn] = environment
        cluster = f"{resource_name}_Batch"
        environment.set_ecs(backend.ecs_backend.create_cluster(cluster).arn, cluster)
        return environment

    def create_queue(cls: Any, resource_name: str, cloudformation_json: dict, account_id: str, region_name: str, **_: Any) -> Any:
        backend = batch_backends[account_id][region_name]
        properties = cloudformation_json["Properties"]
        return backend.create_job_queue(
            queue_name=resource_name,
            priority=properties["Priority"],
            state=properties.get("State", "ENABLED"),
            compute_env_order=[lowercase_first_key(part) for part in properties["ComputeEnvironmentOrder"]],
            schedule_policy=None,
        )

    def create_definition(cls: Any, resource_name: str, cloudformation_json: dict, account_id: str, region_name: str, **_: Any) -> Any:
        properties = cloudformation_json["Properties"]
        return batch_backends[account_id][region_name].register_job_definition(
            def_name=resource_name,
            parameters=properties.get("Parameters", {}),
            _type="container",
            tags=properties.get("Tags", {}),
            retry_strategy=lowercase_first_key(properties.get("RetryStrategy", {})),
            container_properties=lowercase_first_key(properties["ContainerProperties"]),
            node_properties=None,
            eks_properties=None,
            timeout=lowercase_first_key(properties.get("Timeout", {})),
            platform_capabilities=properties.get("PlatformCapabilities", ["EC2"]),
            propagate_tags=bool(properties.get("PropagateTags", False)),
        )

    ComputeEnvironment.create_from_cloudformation_json = classmethod(create)
    JobQueue.create_from_cloudformation_json = classmethod(create_queue)
    JobDefinition.create_from_cloudformation_json = classmethod(create_definition)
    for resource, attribute in (
        (ComputeEnvironment, "ComputeEnvironmentArn"),
        (JobQueue, "JobQueueArn"),
        (JobDefinition, "JobDefinitionArn"),
    ):
        give_arn(resource, attribute)


def give_arn(resource: Any, attribute: str) -> None:
    def has(cls: Any, name: str) -> bool:
        return name == attribute

    def get(self: Any, name: str) -> str:
        return self.arn

    resource.has_cfn_attr = classmethod(has)
    resource.get_cfn_attribute = get


def deploy_what_others_name() -> None:
    """CloudFormation: resources that moto does not know and that others refer to by their Arn."""
    from moto.core.common_models import CloudFormationModel

    def declare(resource_type: str, arn_of: str) -> type:
        class Declared(CloudFormationModel):
            """Has a name and an Arn, and does nothing."""

            # moto files its models under the package that they are from.
            __module__ = "moto.emulator.models"

            def __init__(self, name: str, arn: str) -> None:
                self.name = name
                self.arn = arn

            @property
            def physical_resource_id(self) -> str:
                return self.arn if resource_type.startswith("AWS::Batch") else self.name

            @staticmethod
            def cloudformation_name_type() -> str:
                return "Name"

            @staticmethod
            def cloudformation_type() -> str:
                return resource_type

            @classmethod
            def create_from_cloudformation_json(
                cls, resource_name: str, cloudformation_json: dict, account_id: str, region_name: str, **_: Any
            ) -> "Declared":
                return cls(resource_name, f"arn:aws:{arn_of.format(region=region_name, account=account_id)}{resource_name}")

            @classmethod
            def has_cfn_attr(cls, attr: str) -> bool:
                return attr == "Arn"

            def get_cfn_attribute(self, attribute_name: str) -> str:
                return self.arn

            @classmethod
            def delete_from_cloudformation_json(cls, *_: Any) -> None:
                pass

        return Declared

    # Kept: CloudFormation finds its models among the living subclasses.
    declared_types.append(declare("AWS::Batch::SchedulingPolicy", "batch:{region}:{account}:scheduling-policy/"))
    declared_types.append(declare("AWS::CloudWatch::Alarm", "cloudwatch:{region}:{account}:alarm:"))


declared_types: list[type] = []


def apply_bucket_properties() -> None:
    """S3 in CloudFormation: versioning and the EventBridge switch, which moto leaves out."""
    from moto.s3.models import FakeBucket, s3_backends
    from moto.utilities.utils import get_partition

    def complete(bucket: Any, properties: dict, account_id: str, region_name: str) -> None:
        backend = s3_backends[account_id][get_partition(region_name)]
        versioning = properties.get("VersioningConfiguration", {}).get("Status")
        if versioning is not None:
            backend.put_bucket_versioning(bucket.name, versioning)
        event_bridge = properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration")
        if event_bridge is not None and str(event_bridge.get("EventBridgeEnabled", "true")).lower() == "true":
            backend.put_bucket_notification_configuration(bucket.name, {"EventBridgeConfiguration": {}})

    create = FakeBucket.create_from_cloudformation_json.__func__
    update = FakeBucket.update_from_cloudformation_json.__func__

    def created(cls: Any, resource_name: str, cloudformation_json: dict, account_id: str, region_name: str, **kwargs: Any) -> Any:
        bucket = create(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs)
        complete(bucket, cloudformation_json.get("Properties", {}), account_id, region_name)
        return bucket

    def updated(cls: Any, original_resource: Any, new_resource_name: str, cloudformation_json: dict, account_id: str, region_name: str) -> Any:
        cloudformation_json.setdefault("Properties", {}).setdefault("BucketName", original_resource.name)
        bucket = update(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name)
        complete(bucket, cloudformation_json["Properties"], account_id, region_name)
        return bucket

    FakeBucket.create_from_cloudformation_json = classmethod(created)
    FakeBucket.update_from_cloudformation_json = classmethod(updated)


def order_upload_events() -> None:
    """S3's events: a sequencer that orders a key's events (moto's is constant), and no version where there is none."""
    import moto.s3.notifications as notifications
    from moto.events.models import events_backends

    numbers = itertools.count(int(time.time() * 1000) << 20)

    def send_event_bridge_message(account_id: str, bucket: Any, event_name: Any, key: Any) -> None:
        described = {
            "key": key.name,
            "size": key.size,
            "etag": key.etag.replace('"', ""),
            "sequencer": f"{next(numbers):020X}",
        }
        if key.version_id not in (None, "null"):
            described["version-id"] = key.version_id
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": notifications._detail_type(event_name),
            "source": "aws.s3",
            "account": account_id,
            "time": time.time(),
            "region": bucket.region_name,
            "resources": [bucket.arn],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket.name},
                "object": described,
                "request-id": uuid.uuid4().hex[:16].upper(),
                "requester": account_id,
                "source-ip-address": "127.0.0.1",
                "reason": event_reasons.get(str(event_name.value).split(":")[-1], "PutObject"),
            },
        }
        for event_bus in list(events_backends[account_id][bucket.region_name].event_buses.values()):
            for rule in list(event_bus.rules.values()):
                try:
                    rule.send_to_targets(dict(event), transform_input=False)
                except Exception:
                    # The upload itself has succeeded, as it would have on AWS.
                    traceback.print_exc()

    notifications._send_event_bridge_message = send_event_bridge_message


# What EventBridge calls the API that made an object.
event_reasons = {"Put": "PutObject", "Post": "POST Object", "Copy": "CopyObject", "CompleteMultipartUpload": "CompleteMultipartUpload"}


def leave_queues_to_the_poller() -> None:
    """SQS: moto hands messages to Lambda in the middle of SendMessage; here poller.ts is the event-source mapping."""
    from moto.sqs.models import Queue

    class NoMappings(dict):
        """Keeps what Lambda registers, and shows none of it to the queue."""

        def items(self) -> Any:
            return ()

    init = Queue.__init__

    def initialise(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.lambda_event_source_mappings = NoMappings()

    Queue.__init__ = initialise


def deploy_layers_by_cloudformation() -> None:
    """Lambda in CloudFormation: a function's layers, which moto leaves out."""
    from moto.awslambda.models import LambdaFunction

    create = LambdaFunction.create_from_cloudformation_json.__func__

    def created(cls: Any, resource_name: str, cloudformation_json: dict, account_id: str, region_name: str, **kwargs: Any) -> Any:
        function = create(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs)
        layers = cloudformation_json["Properties"].get("Layers", [])
        # In a list, moto leaves a Ref as the resource itself.
        function.layers = function._get_layers_data([getattr(layer, "arn", layer) for layer in layers])
        return function

    LambdaFunction.create_from_cloudformation_json = classmethod(created)


def tell_where_code_lies() -> None:
    """Lambda: GetFunction and GetLayerVersion answer with the very object that was deployed, for functions.ts to run."""
    from moto.awslambda.models import LambdaFunction, LayerVersion

    get_code = LambdaFunction.get_code
    get_layer_version = LayerVersion.get_layer_version

    def code(self: Any) -> dict[str, Any]:
        answer = get_code(self)
        if "S3Key" in self.code:
            answer["Code"]["Location"] = f"s3://{self.code['S3Bucket']}/{self.code['S3Key']}"
        return answer

    def layer_version(self: Any) -> dict[str, Any]:
        answer = get_layer_version(self)
        answer["Content"]["Location"] = f"s3://{self.content.get('S3Bucket')}/{self.content.get('S3Key')}"
        return answer

    LambdaFunction.get_code = code
    LayerVersion.get_layer_version = layer_version


def read_templates_by_path() -> None:
    """CloudFormation: a TemplateURL of an emulator has its bucket in the path, whatever the host is called."""
    import moto.cloudformation.responses as responses

    read = responses.get_stack_from_s3_url

    def get_stack_from_s3_url(template_url: str, account_id: str, partition: str) -> str:
        return read(template_url.replace("127.0.0.1", "localhost"), account_id=account_id, partition=partition)

    responses.get_stack_from_s3_url = get_stack_from_s3_url


def delete_by_cloudformation() -> None:
    """DeleteStack: what moto creates and would leave, and with it the VPC, which cannot go while routes and gateways are there."""
    from moto.batch.models import ComputeEnvironment, JobQueue, batch_backends
    from moto.ec2.models import ec2_backends
    from moto.ec2.models.internet_gateways import InternetGateway
    from moto.ec2.models.route_tables import RouteTable

    def delete_environment(self: Any, account_id: str, region_name: str) -> None:
        batch_backends[account_id][region_name].delete_compute_environment(self.name)

    def delete_queue(self: Any, account_id: str, region_name: str) -> None:
        batch_backends[account_id][region_name].delete_job_queue(self.arn)

    def delete_route_table(self: Any, account_id: str, region_name: str) -> None:
        self._associations.clear()
        ec2_backends[account_id][region_name].delete_route_table(self.id)

    def delete_gateway(self: Any, account_id: str, region_name: str) -> None:
        self.vpc = None
        ec2_backends[account_id][region_name].delete_internet_gateway(self.id)

    ComputeEnvironment.delete = delete_environment
    JobQueue.delete = delete_queue
    RouteTable.delete = delete_route_table
    InternetGateway.delete = delete_gateway


def main() -> None:
    arguments = parse_arguments()
    # Before any import of moto: its settings are read from the environment.
    os.environ["MOTO_PORT"] = str(arguments.front)
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

    import moto

    if moto.__version__ != "5.2.1":
        sys.exit(f"launch_moto.py changes parts of moto 5.2.1, and this is {moto.__version__}")

    execute_state_machines()
    scale_waits(arguments.time_scale)
    restore_case_of_batch_parameters()
    deploy_batch_by_cloudformation()
    deploy_what_others_name()
    apply_bucket_properties()
    order_upload_events()
    leave_queues_to_the_poller()
    deploy_layers_by_cloudformation()
    tell_where_code_lies()
    read_templates_by_path()
    delete_by_cloudformation()

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    # A line for each of some ten thousand requests is of no use.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", arguments.port, DomainDispatcherApplication(create_backend_app), threaded=True)
    print("moto is ready", flush=True)
    # Ends with the process that started it, whatever becomes of that.
    parent = os.getppid()

    def watch_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch_parent, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
